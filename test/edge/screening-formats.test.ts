// Uploads of every format that LeNet-5 can be screened with, end to end: the job's report is that of an offline screening to the byte.
import { encode } from 'fast-png';
import { describe, expect, it } from 'vitest';
import { writeNpz } from '../../gpu-worker/datasets/npz.ts';
import { soleFile, type UploadFormat } from '../../shared/contracts/screening-job.ts';
import { parseReport } from '../../shared/screening-report/report-json.ts';
import { offlineReport } from '../helpers/offline-report.ts';
import { digitFiles } from '../helpers/screening-edge.ts';
import { startedScreening } from '../helpers/started-screening.ts';
import { gzipped, tarFile } from '../helpers/upload-fixture.ts';

type Files = Readonly<Record<string, Uint8Array>>;

const count = 900;
const idx = digitFiles(count);
/** Behind IDX's headers of four extents and of one. */
const pixels = idx.images.slice(16);
const labels = idx.labels.slice(8);

const { client } = startedScreening();

describe('the report of a job and that of an offline screening', () => {
  it.each<[string, UploadFormat, () => Files | Promise<Files>]>([
    ['IDX', 'idx', () => idx],
    ['IDX of so many images that a shard is several requests', 'idx', () => digitFiles(4_400)],
    ['gzipped IDX', 'idx', () => ({ images: gzipped(idx.images), labels: gzipped(idx.labels) })],
    ['npz', 'npz', () => ({ [soleFile]: npzFile() })],
    ['a tar of PGM files', 'tar', async () => ({ [soleFile]: await tarOf(pgmFile, 'pgm') })],
    ['a gzipped tar of PNG files', 'tar', async () => ({ [soleFile]: gzipped(await tarOf(pngOf, 'png')) })],
  ])(
    'are the same to the byte for %s',
    async (dataset, format, makeFiles) => {
      const files = await makeFiles();
      const { id } = await client.submit(files, { dataset, format });
      const job = await client.ended(id);
      expect(job).toMatchObject({ state: 'completed', failure: null });
      const [said, expected] = [
        await client.report(id),
        await offlineReport(files, { dataset, format, seed: 1 }),
      ];
      expect(parseReport(said).dataset).toEqual(parseReport(expected).dataset);
      expect(said === expected).toBe(true);
    },
    120_000,
  );
});

function npzFile(): Uint8Array {
  return writeNpz({
    x: { datatype: 'UINT8', shape: [count, 1, 28, 28], data: pixels },
    y: { datatype: 'INT64', shape: [count], data: BigInt64Array.from(labels, BigInt) },
  });
}

function tarOf(fileBytes: (row: number) => Uint8Array, extension: string): Promise<Uint8Array> {
  return tarFile(
    Array.from(labels, (label, row) => ({ name: `${label}/${row}.${extension}`, body: fileBytes(row) })),
  );
}

function imageOf(row: number): Uint8Array {
  return pixels.slice(row * 784, (row + 1) * 784);
}

function pgmFile(row: number): Uint8Array {
  return Uint8Array.of(...new TextEncoder().encode('P5\n28 28\n255\n'), ...imageOf(row));
}

function pngOf(row: number): Uint8Array {
  return encode({ width: 28, height: 28, channels: 1, depth: 8, data: imageOf(row) });
}
