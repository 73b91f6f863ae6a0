// A report of a small synthetic data set with two poisoned classes, screened by the real clustering.
import type { ScreenedClass } from '../../shared/clustering/screen-class.ts';
import { screenClusters } from '../../shared/clustering/screen-clusters.ts';
import type { ScreeningReport } from '../../shared/contracts/screening-report.ts';
import { classPicture } from '../../shared/screening-report/class-picture.ts';
import { composeReport, type ReportParts } from '../../shared/screening-report/compose-report.ts';
import { addPicture, chosenPictures, emptyGallery } from '../../shared/screening-report/picture-gallery.ts';
import { thumbnail } from '../../shared/screening-report/thumbnail.ts';
import { thumbnailRows } from '../../shared/screening-report/thumbnail-rows.ts';
import { syntheticClasses } from './synthetic-classes.ts';

/** Screens six classes of eight: 1 and 3 are poisoned, 5 is too small to judge. Row r has the file `r.png`. */
export async function screenedReport(parts: Partial<ReportParts> = {}): Promise<ScreeningReport> {
  const { screening, screened } = await screenedClasses();
  const gallery = emptyGallery();
  for (const { each, rows } of screened)
    addPicture(gallery, each.verdict, classPicture(each, { seed: 7, rows }));
  const suspects = screening.verdicts.flatMap((each) => (each.verdict === 'poisoned' ? each.suspects : []));
  const pictures = chosenPictures(gallery);
  return composeReport({
    dataset: {
      name: 'synthetic signs',
      format: 'tar',
      digest: `sha256:${'1'.repeat(64)}`,
      class_names: ['zero', 'one', 'two', 'three', 'four', 'five'],
    },
    model: { name: 'toy', digest: `sha256:${'2'.repeat(64)}` },
    mode: 'nccr',
    versions: { 'nccr-guard': '0.1.0' },
    screening,
    pictures,
    thumbnails: thumbnailRows(screening, pictures).map((row) => {
      const data = new Uint8Array(3 * 8 * 8).fill(row % 256);
      return thumbnail(row, { shape: [3, 8, 8], data, inputRange: [0, 1] })!;
    }),
    suspect_files: suspects
      .map(({ row }) => ({ row, name: `${row}.png` }))
      .sort((left, right) => left.row - right.row),
    ...parts,
  });
}

/** The classes as they are judged, and the verdict on all. */
export async function screenedClasses() {
  const source = syntheticClasses({
    classes: 8,
    neurons: 6,
    counts: [300, 2400, 250, 200, 180, 20],
    poison: { 1: 0.05, 3: 0.4 },
  });
  const screened: { each: ScreenedClass; rows: Uint32Array }[] = [];
  const screening = await screenClusters(source, {
    seed: 7,
    onClass: (each, { rows }) => screened.push({ each, rows }),
  });
  return { screening, screened };
}
