import canonicalize from 'canonicalize';
import { beforeAll, describe, expect, it } from 'vitest';
import { type ScreeningReport, screeningReportSchema } from '../../../shared/contracts/screening-report.ts';
import { composeReport } from '../../../shared/screening-report/compose-report.ts';
import { parseReport, reportJson } from '../../../shared/screening-report/report-json.ts';
import { screeningTruth } from '../../../shared/screening-report/screening-truth.ts';
import { suspectsCsv } from '../../../shared/screening-report/suspects-csv.ts';
import { screenedReport } from '../../helpers/screened-report.ts';

let report: ScreeningReport;
beforeAll(async () => {
  report = await screenedReport();
});

describe('a report', () => {
  it('is the same to the byte when it is made again, and when it is read and written', async () => {
    const text = reportJson(report);
    expect(reportJson(await screenedReport())).toBe(text);
    expect(reportJson(parseReport(text))).toBe(text);
  });

  it('is canonical JSON, however long its lists are', () => {
    // The library's own writing of the whole is the reference; a class of 2,400 suspects and numbers as names make it hard.
    const [poisoned] = report.screening.verdicts.filter((each) => each.verdict === 'poisoned');
    const suspects = Array.from({ length: 2400 }, (_, row) => ({ score: 1 / (row + 1), row }));
    const long = {
      ...report,
      versions: { 10: 'a', 9: 'b', '\u00e9': 'c', '': 'd' },
      suspect_files: [],
      screening: { ...report.screening, verdicts: [{ ...poisoned, suspects }] },
    };
    for (const each of [report, long]) expect(reportJson(each)).toBe(`${canonicalize(each)}\n`);
  });

  it('finds the poisoned classes that were made', () => {
    expect(report.screening.poisoned).toEqual([1, 3]);
  });

  it('is refused where its parts contradict each other', () => {
    const { format: _, format_version: __, ...parts } = report;
    const [first, second] = parts.pictures;
    expect(() => composeReport({ ...parts, pictures: [second, first] })).toThrow(/ascending label/);
    expect(() => composeReport({ ...parts, pictures: [{ ...first, label: 5 }] })).toThrow(/not judged/);
    const thumbnails = [{ ...parts.thumbnails[0], row: 1 }];
    expect(() => composeReport({ ...parts, thumbnails })).toThrow(/no suspect/);
    expect(() => composeReport({ ...parts, suspect_files: [{ row: 1, name: 'x' }] })).toThrow(/no suspect/);
    const dataset = { ...parts.dataset, class_names: Array.from({ length: 9 }, String) };
    expect(() => composeReport({ ...parts, dataset })).toThrow(/more classes/);
    expect(screeningReportSchema.safeParse({ ...report, extra: 1 }).success).toBe(false);
  });

  it('keeps the thumbnails of each class’s likeliest suspects, within 2 MiB', () => {
    const { format: _, format_version: __, ...parts } = report;
    const data = Buffer.alloc(16_384).toString('base64');
    // Each of 2 x (24 suspects + 12 others) three times, 21,848 characters each: 95 fit, twelve of each rank.
    const thumbnails = [...parts.thumbnails, ...parts.thumbnails, ...parts.thumbnails].map((each) => ({
      ...each,
      data,
    }));
    const kept = composeReport({ ...parts, thumbnails }).thumbnails;
    expect(kept).toHaveLength(95);
    const suspects = parts.screening.verdicts.flatMap((each) =>
      each.verdict === 'poisoned' ? each.suspects.slice(0, 7).map(({ row }) => row) : [],
    );
    for (const row of suspects) expect(kept.filter((each) => each.row === row)).toHaveLength(3);
  });

  it('is refused where it is no report', () => {
    expect(() => parseReport('{')).toThrow(/not JSON/);
    expect(() => parseReport('{}')).toThrow(/not a report/);
  });
});

describe('the suspects as CSV', () => {
  it('has a header and a line a suspect, the likeliest first, ended as RFC 4180 says', () => {
    const lines = suspectsCsv(report).split('\r\n');
    expect(lines[0]).toBe('row,label,class name,score,cluster,direction,file name,kind');
    const [verdict] = report.screening.verdicts.filter((each) => each.verdict === 'poisoned');
    const [{ row, score }] = verdict.suspects;
    expect(lines[1]).toBe(
      `${row},1,"one",${score},${verdict.poison_cluster},${verdict.direction},"${row}.png",suspect`,
    );
    const suspects = report.screening.verdicts.flatMap((each) =>
      each.verdict === 'poisoned' ? each.suspects : [],
    );
    expect(lines).toHaveLength(suspects.length + 2);
    expect(lines.at(-1)).toBe('');
  });

  it('lists what was set aside behind the suspects, and says of a suspect that it was', () => {
    const verdicts = report.screening.verdicts.map((verdict) =>
      verdict.verdict === 'poisoned' && verdict.label === 1
        ? { ...verdict, outliers: 2, outlier_rows: [verdict.suspects[0].row, 9_999] }
        : verdict,
    );
    const listed = { ...report, screening: { ...report.screening, verdicts } };
    const lines = suspectsCsv(listed).split('\r\n');
    expect(lines[1]).toMatch(/,suspect and outlier$/);
    expect(lines.filter((line) => line.endsWith('outlier'))).toEqual([lines[1], '9999,1,"one",,,,,outlier']);
    // The names of their files may stand in the report as those of suspects do.
    const suspect_files = [...report.suspect_files!, { row: 9_999, name: 'far.png' }];
    const { format: _, format_version: __, ...parts } = { ...listed, suspect_files };
    expect(suspectsCsv(composeReport(parts))).toContain('"far.png",outlier\r\n');
    expect(() => composeReport({ ...parts, screening: report.screening })).toThrow(/name no suspect/);
  });

  it.each([
    ['=HYPERLINK("http://x")', '"\'=HYPERLINK(""http://x"")"'],
    ['+1', '"\'+1"'],
    ['-1', '"\'-1"'],
    ['@SUM(A1)', '"\'@SUM(A1)"'],
    ['  =1', '"\'  =1"'],
    ['\t=1', '"\'\t=1"'],
    ['\ttext', '"\'\ttext"'],
    ['\rtext', '"\'\rtext"'],
    ['\u200b=1', '"\'\u200b=1"'],
    ['\uff1d1', '"\'\uff1d1"'],
    ['a, "b"\r\nc', '"a, ""b""\r\nc"'],
    ['plain = text', '"plain = text"'],
  ])('writes the class name %j as the text %j', async (name, written) => {
    const dataset = { ...report.dataset, class_names: ['zero', name] };
    const [, line] = suspectsCsv({ ...report, dataset }).split(/\r\n(?=\d)/);
    expect(line.split(/^\d+,1,|,[\d.]+,[01],(?:strong|weak),/)[1]).toBe(written);
  });

  it('guards the names of files as well, and leaves out what is not known', async () => {
    const [{ row }] = report.suspect_files!;
    const { suspect_files: _, ...nameless } = report;
    const guarded = suspectsCsv({ ...nameless, suspect_files: [{ row, name: '=cmd|x' }] });
    expect(guarded).toContain(`,"'=cmd|x",suspect\r\n`);
    const dataset = { ...report.dataset, class_names: [] };
    expect(suspectsCsv({ ...nameless, dataset }).split('\r\n')[1]).toMatch(
      /^\d+,1,,[\d.]+,[01],\w+,,suspect$/,
    );
  });

  it('is the header alone where nothing is poisoned', () => {
    const screening = { ...report.screening, verdicts: [], poisoned: [] };
    expect(suspectsCsv({ ...report, screening })).toBe(
      'row,label,class name,score,cluster,direction,file name,kind\r\n',
    );
  });
});

describe('the truth about planted poison', () => {
  it('counts suspects of every class against all poison', () => {
    // By hand: 2 suspects are poison, 1 is not, 2 of the poison were not found: F1 = 2 * 2 / (3 + 4).
    const suspects = [4, 5, 6].map((row) => ({ row, score: 1 }));
    const [poisoned] = report.screening.verdicts.filter((each) => each.verdict === 'poisoned');
    const verdicts = [{ ...poisoned, label: 2, suspects }];
    const labels = [0, 0, 1, 1, 2, 2, 2];
    expect(screeningTruth({ verdicts, poisoned: [2] }, { rows: [4, 5, 2, 3], labels })).toEqual({
      poison: 4,
      true_positives: 2,
      false_positives: 1,
      false_negatives: 2,
      f1: 4 / 7,
      planted: [1, 2],
      false_classes: [],
      missed_classes: [1],
    });
  });

  it('has no F1 where there is neither poison nor a suspect, and 0 where all is missed', () => {
    const nothing = { verdicts: [], poisoned: [] };
    expect(screeningTruth(nothing, { rows: [], labels: [] }).f1).toBeNull();
    expect(screeningTruth(nothing, { rows: [0], labels: [3] })).toMatchObject({ f1: 0, missed_classes: [3] });
  });
});
