import { decode } from 'fast-png';
import { describe, expect, it } from 'vitest';
import type { ClassVerdict } from '../../../shared/contracts/screening.ts';
import { thumbnail } from '../../../shared/screening-report/thumbnail.ts';
import { thumbnailRows } from '../../../shared/screening-report/thumbnail-rows.ts';

function decoded(row: ReturnType<typeof thumbnail>) {
  return decode(Uint8Array.from(atob(row!.data), (character) => character.charCodeAt(0)));
}

describe('a thumbnail', () => {
  it('interleaves the planes of a colour image', () => {
    const data = Uint8Array.of(1, 2, 3, 4, 11, 12, 13, 14, 21, 22, 23, 24);
    const made = thumbnail(5, { shape: [3, 2, 2], data, inputRange: [0, 1] });
    expect(made).toMatchObject({ row: 5, media_type: 'image/png' });
    const { width, height, channels, data: pixels } = decoded(made);
    expect([width, height, channels]).toEqual([2, 2, 3]);
    expect([...pixels]).toEqual([1, 11, 21, 2, 12, 22, 3, 13, 23, 4, 14, 24]);
  });

  it('scales grey float32 pixels from the range of the model, clipping what lies outside', () => {
    const data = Float32Array.of(-1, 0, 1, 3);
    const { channels, data: pixels } = decoded(thumbnail(0, { shape: [1, 1, 4], data, inputRange: [-1, 1] }));
    expect(channels).toBe(1);
    expect([...pixels]).toEqual([0, 128, 255, 255]);
  });

  it('shrinks large pixels by whole blocks', () => {
    // 130 x 65 needs blocks of 3 x 3; each block of a column of equal pixels keeps their value.
    const data = Uint8Array.from({ length: 130 * 65 }, (_, index) => Math.floor((index % 65) / 3));
    const {
      width,
      height,
      data: pixels,
    } = decoded(thumbnail(0, { shape: [1, 130, 65], data, inputRange: [0, 1] }));
    expect([width, height]).toEqual([22, 44]);
    expect([...pixels.subarray(0, 22)]).toEqual(Array.from({ length: 22 }, (_, column) => column));
  });

  it('passes a small PNG or JPEG on as it is, by its first bytes', () => {
    const jpeg = Uint8Array.of(0xff, 0xd8, 0xff, 0xe0, 1, 2, 3);
    expect(thumbnail(2, { bytes: jpeg })).toEqual({
      row: 2,
      media_type: 'image/jpeg',
      data: Buffer.from(jpeg).toString('base64'),
    });
  });

  it('shows neither markup, nor a file that is too large, nor pixels of two channels', () => {
    expect(thumbnail(0, { bytes: new TextEncoder().encode('<svg onload="x()">') })).toBeUndefined();
    const large = new Uint8Array(48 * 1024 + 1);
    large.set([0xff, 0xd8, 0xff]);
    expect(thumbnail(0, { bytes: large })).toBeUndefined();
    expect(thumbnail(0, { bytes: new Uint8Array(0) })).toBeUndefined();
    const twoChannels = { shape: [2, 1, 1], data: Uint8Array.of(1, 2), inputRange: [0, 1] } as const;
    expect(thumbnail(0, twoChannels)).toBeUndefined();
  });

  it('refuses pixels that are not of the shape', () => {
    const short = { shape: [3, 2, 2], data: new Uint8Array(11), inputRange: [0, 1] } as const;
    expect(() => thumbnail(0, short)).toThrow(/pixels of a thumbnail/);
  });

  it('reads a range that a model may have: black is its lower bound', () => {
    const data = Float32Array.of(0, 0.5, 1);
    const { data: pixels } = decoded(thumbnail(0, { shape: [1, 1, 3], data, inputRange: [0, 1] }));
    expect([...pixels]).toEqual([0, 128, 255]);
  });
});

describe('the rows that get a thumbnail', () => {
  const poisoned = (label: number, count: number): ClassVerdict => ({
    verdict: 'poisoned',
    label,
    examples: 2 * count,
    separation: 9,
    first_separation: 8,
    evidence: 6,
    silhouette: 0.5,
    silhouette_exact: true,
    outliers: 0,
    clusters: [
      { examples: count, entropy_bits: 0 },
      { examples: count, entropy_bits: 3 },
    ],
    poison_cluster: 1,
    direction: 'strong',
    reason: 'evidence',
    suspects: Array.from({ length: count }, (_, rank) => ({ row: label * 1000 + rank, score: -rank })),
  });

  it('are the likeliest of each class', () => {
    const rows = thumbnailRows({ verdicts: [poisoned(1, 3), poisoned(2, 100)] });
    expect(rows).toEqual([1000, 1001, 1002, ...Array.from({ length: 24 }, (_, rank) => 2000 + rank)]);
  });

  it('take in ordinary rows for comparison', () => {
    const pictures = [{ label: 1, ordinary_rows: [1900, 1901, 1902, 1903] }];
    const rows = thumbnailRows({ verdicts: [poisoned(1, 3)] }, pictures);
    expect(rows).toEqual([1000, 1001, 1002, 1900, 1901, 1902, 1903]);
  });

  it('stay bounded, and no class goes without while another has two', () => {
    const rows = thumbnailRows({ verdicts: Array.from({ length: 150 }, (_, label) => poisoned(label, 30)) });
    expect(rows).toHaveLength(240);
    expect(new Set(rows.map((row) => Math.floor(row / 1000))).size).toBe(150);
  });

  it('are none where nothing is poisoned', () => {
    expect(thumbnailRows({ verdicts: [{ verdict: 'too_small', label: 0, examples: 1 }] })).toEqual([]);
  });
});
