import { describe, expect, it } from 'vitest';
import {
  checkDataset,
  datasetDigest,
  datasetRow,
  selectDatasetRows,
} from '../../../gpu-worker/datasets/dataset.ts';
import { drawDigit, drawDigits } from '../../../gpu-worker/datasets/synthetic-digits.ts';

const dataset = {
  name: 'hand made',
  inputs: Float32Array.of(1, 2, 3, 4, 5, 6),
  inputShape: [2],
  labels: Int32Array.of(0, 1, 1),
};

describe('data sets', () => {
  it('give single rows and selections in the order asked for', () => {
    expect([...datasetRow(dataset, 1)]).toEqual([3, 4]);
    const selected = selectDatasetRows(dataset, [2, 0]);
    expect([...selected.inputs]).toEqual([5, 6, 1, 2]);
    expect([...selected.labels]).toEqual([1, 0]);
    expect(selectDatasetRows(dataset, []).labels).toHaveLength(0);
    expect(() => selectDatasetRows(dataset, [3])).toThrow(/row 3 of 3/);
  });

  it('have a digest that tells sets of rows apart', () => {
    expect(datasetDigest(dataset)).toBe(datasetDigest({ ...dataset, inputs: dataset.inputs.slice() }));
    expect(datasetDigest(dataset)).not.toBe(datasetDigest(selectDatasetRows(dataset, [1, 0, 2])));
  });

  it('are refused where they do not fit the model', () => {
    const expected = { inputShape: [2], classes: 2 };
    expect(() => checkDataset(dataset, expected)).not.toThrow();
    expect(() => checkDataset(dataset, { ...expected, inputShape: [1, 2] })).toThrow(/shape \[2\].*\[1, 2\]/);
    expect(() => checkDataset({ ...dataset, labels: Int32Array.of(1, 1, 1) }, expected)).toThrow(/1 class;/);
    expect(() => checkDataset({ ...dataset, labels: Int32Array.of(0, 1, 2) }, expected)).toThrow(/label 2/);
    expect(() =>
      checkDataset({ ...dataset, inputs: Float32Array.of(0, 0, Number.NaN, 0, 0, 0) }, expected),
    ).toThrow(/finite at 2/);
  });
});

describe('synthetic digits', () => {
  it('repeat for a seed and differ between seeds', () => {
    expect(drawDigit(5, 3)).toEqual(drawDigit(5, 3));
    expect(drawDigit(5, 3)).not.toEqual(drawDigit(5, 4));
  });

  it('are 28 x 28 in [0, 1], with as much ink as MNIST has, centred by mass', () => {
    for (const [index, label] of drawDigits(40, 9).labels.entries()) {
      const image = drawDigit(label, index);
      expect(image).toHaveLength(784);
      expect(Math.min(...image)).toBe(0);
      expect(Math.max(...image)).toBe(1);
      let [mass, x] = [0, 0];
      for (const [pixel, value] of image.entries()) {
        mass += value;
        x += value * ((pixel % 28) + 0.5);
      }
      // MNIST's training images have a mean of 0.13; single digits lie between 0.02 and 0.3.
      expect(mass / 784).toBeGreaterThan(0.03);
      expect(mass / 784).toBeLessThan(0.3);
      expect(Math.abs(x / mass - 14)).toBeLessThan(0.5);
    }
  });

  it('refuse a label that has no strokes', () => {
    expect(() => drawDigit(10, 1)).toThrow(/no strokes/);
  });
});
