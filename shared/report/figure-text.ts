// How a report writes its figures.
import { assert } from '../assert.ts';

/** A rate or area as `0.9876`. @throws Error where it is no finite number */
export function areaText(value: number): string {
  assert(Number.isFinite(value), 'a figure of a report is not a number');
  return value.toFixed(4);
}

/** A rate as `98.8 %`, or without the sign. @throws Error where it is no finite number */
export function percentText(value: number, sign = ' %'): string {
  assert(Number.isFinite(value), 'a figure of a report is not a number');
  return `${(100 * value).toFixed(1)}${sign}`;
}

/** A count as `39,209`: the same on every platform. */
export function countText(count: number): string {
  return String(count).replaceAll(/\B(?=(\d{3})+$)/g, ',');
}

/** A count with what it counts: `1 class`, `43 classes`. */
export function countOf(count: number, one: string, many = `${one}s`): string {
  return `${countText(count)} ${count === 1 ? one : many}`;
}
