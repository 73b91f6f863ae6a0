// A bounded picture of one judged class: a seeded sample of its points and the outline of its silhouette plot.
import type { ScreenedClass } from '../clustering/screen-class.ts';
import type { ClassPicture, PicturedCluster } from '../contracts/screening-report.ts';
import { ordinaryThumbnailsMax, pictureClassPointsMax, pictureSilhouettesMax } from '../limits.ts';
import { permutation, seededRandom } from '../maths/random.ts';

/** Share of the points that the smaller cluster gets where it has them: one percent of poison has to be seen. */
const smallerShareMin = 0.25;

/**
 * Pictures a class as it is judged; memory and size do not grow with its examples.
 * @param options.seed of the screening: each class draws its own stream by its label
 * @param options.rows [examples], the class's rows in the data set; without them it has no ordinary rows
 * @returns undefined where the class was too small to judge; the same class and seed give the same picture
 */
export function classPicture(
  { verdict, picture }: ScreenedClass,
  { seed, rows = [] }: { seed: number; rows?: ArrayLike<number> },
): ClassPicture | undefined {
  if (picture === undefined) return undefined;
  const { label } = verdict;
  const random = seededRandom(seed ^ Math.imul(label + 1, 0x85ebca6b));
  const members: [number[], number[]] = [[], []];
  for (let place = 0; place < picture.clusters.length; place++) {
    members[picture.clusters[place]].push(place);
  }
  const counts = drawnCounts(members[0].length, members[1].length);
  const orders = members.map(({ length }) => permutation(length, random));
  const clusterOf = (cluster: 0 | 1): PicturedCluster => {
    const order = orders[cluster].subarray(0, counts[cluster]);
    return {
      points: Array.from(order, (index) => pointOf(picture, members[cluster][index])),
      silhouettes: outline(picture, cluster),
    };
  };
  const ordinary = verdict.verdict === 'poisoned' && rows.length > 0 ? 1 - verdict.poison_cluster : undefined;
  const ordinaryRows =
    ordinary === undefined
      ? []
      : Array.from(
          orders[ordinary].subarray(0, ordinaryThumbnailsMax),
          (index) => rows[members[ordinary][index]],
        );
  return { label, clusters: [clusterOf(0), clusterOf(1)], ordinary_rows: ordinaryRows };
}

/**
 * Thins a picture to at most `pointsMax` points, those that were drawn first, and to as many coefficients of each cluster as a
 * quarter of that, so that a picture's size keeps pace with its points.
 */
export function thinPicture(picture: ClassPicture, pointsMax: number): ClassPicture {
  const [first, second] = picture.clusters;
  const counts = drawnCounts(first.points.length, second.points.length, pointsMax);
  const thin = ({ points, silhouettes }: PicturedCluster, count: number): PicturedCluster => {
    return { points: points.slice(0, count), silhouettes: spaced(silhouettes, Math.ceil(pointsMax / 4)) };
  };
  return { ...picture, clusters: [thin(first, counts[0]), thin(second, counts[1])] };
}

/** How many points each cluster gets: in proportion to its size, but for the least share of the smaller one. */
function drawnCounts(first: number, second: number, pointsMax = pictureClassPointsMax): [number, number] {
  const all = first + second;
  if (all <= pointsMax) return [first, second];
  const smaller = Math.min(first, second);
  const share = Math.max(smallerShareMin, smaller / all);
  const drawn = Math.min(smaller, Math.floor(share * pointsMax));
  return first < second ? [drawn, pointsMax - drawn] : [pointsMax - drawn, drawn];
}

type Picture = NonNullable<ScreenedClass['picture']>;

function pointOf({ points, components }: Picture, place: number): [number, number] {
  const start = place * components;
  return [rounded(points[start]), components > 1 ? rounded(points[start + 1]) : 0];
}

/** The sorted coefficients, or evenly spaced ones of them: the outline that a silhouette plot shows. */
function outline({ clusters, silhouette: { rows, values } }: Picture, cluster: 0 | 1): number[] {
  const own = values.filter((_, place) => clusters[rows[place]] === cluster);
  return spaced([...own.sort().reverse()], pictureSilhouettesMax).map(rounded);
}

/** At most `countMax` values of a list, evenly spaced. */
function spaced(values: readonly number[], countMax: number): number[] {
  const count = Math.min(values.length, countMax);
  return Array.from(
    { length: count },
    (_, index) => values[Math.floor(((index + 0.5) * values.length) / count)],
  );
}

/** Four digits are finer than any screen shows. */
function rounded(value: number): number {
  return Number(value.toPrecision(4)) + 0;
}
