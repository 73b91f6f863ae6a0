import { describe, expect, it } from 'vitest';
import {
  channelChanges,
  layerChange,
  nccrL2,
  neuronChanges,
  neuronDrifts,
  normChange,
  unitChanges,
} from '../../../shared/maths/nccr.ts';

// One input (1, -2, 3, 0) and two copies; expected values are worked out by hand.
const activations = {
  values: Float32Array.of(1, -2, 3, 0, 2, -2, 1, 0, 1, -4, 3, 1),
  copies: 2,
  neurons: 4,
};

describe('neuron cover change rate', () => {
  it('averages the absolute change of each neuron over the copies', () => {
    expect([...neuronChanges(activations)]).toEqual([0.5, 1, 1, 0.5]);
  });

  it('averages the signed change of each neuron over the copies, so that opposite ones cancel', () => {
    expect([...neuronDrifts(activations)]).toEqual([0.5, -1, -1, 0.5]);
    const opposite = { values: Float32Array.of(1, 3, 2, 2, 0, 7), copies: 2, neurons: 2 };
    expect([...neuronDrifts(opposite)]).toEqual([0, 1.5]);
  });

  it('averages a layer over its neurons and says how large its activations were', () => {
    expect(layerChange(activations)).toEqual({ change: 0.75, base: 1.5 });
  });

  it('averages a channel over its positions', () => {
    expect([...channelChanges(activations, 2)]).toEqual([0.75, 0.75]);
  });

  it('averages the l2 norm of the change over the copies', () => {
    expect(nccrL2(activations)).toBeCloseTo((Math.sqrt(1 + 4) + Math.sqrt(4 + 1)) / 2, 12);
  });

  it('reads each unit under one copy: the change, the drift of its mean, and its size on the input', () => {
    // Second copy (1, -4, 3, 1): the units are (1, -2) and (3, 0).
    const { change, drift, base } = unitChanges(activations, { copy: 2, units: 2 });
    expect([...change]).toEqual([1, 0.5]);
    expect([...drift]).toEqual([-1, 0.5]);
    expect([...base]).toEqual([1.5, 1.5]);
    // Without positions the drift is the change with its sign.
    const single = unitChanges(activations, { copy: 1, units: 4 });
    expect([...single.change]).toEqual([1, 0, 2, 0]);
    expect([...single.drift]).toEqual([1, 0, -2, 0]);
  });

  it('is zero where the copies equal the input', () => {
    const same = { values: Float32Array.of(5, 7, 5, 7), copies: 1, neurons: 2 };
    expect([...neuronChanges(same)]).toEqual([0, 0]);
    expect(nccrL2(same)).toBe(0);
  });

  it('refuses values that do not have the stated shape, no copies and channels that do not divide', () => {
    expect(() => neuronChanges({ ...activations, copies: 3 })).toThrow(/shape/);
    expect(() => neuronChanges({ values: Float32Array.of(1), copies: 0, neurons: 1 })).toThrow(/copy/);
    expect(() => neuronDrifts({ ...activations, copies: 3 })).toThrow(/shape/);
    expect(() => neuronDrifts({ values: Float32Array.of(1), copies: 0, neurons: 1 })).toThrow(/copy/);
    expect(() => channelChanges(activations, 3)).toThrow(/channels/);
    expect(() => unitChanges(activations, { copy: 1, units: 3 })).toThrow(/units/);
    expect(() => unitChanges(activations, { copy: 3, units: 2 })).toThrow(/no copy 3/);
    expect(() => unitChanges(activations, { copy: 0, units: 2 })).toThrow(/no copy 0/);
  });
});

describe('a change relative to what changed', () => {
  const clean = Float32Array.of(3, -4);
  it('is the l2 norms of both, as nccrL2 has the first', () => {
    // (4, -4) - (3, -4) = (1, 0), of (3, -4), whose norm is 5.
    const perturbed = Float32Array.of(4, -4);
    expect(normChange(clean, perturbed)).toEqual({ change: 1, norm: 5 });
    expect(nccrL2({ values: Float32Array.of(3, -4, 4, -4), copies: 1, neurons: 2 })).toBe(1);
  });

  it('sees no constant where it is centred: added to all logits it changes no probability', () => {
    const { change, norm } = normChange(clean, Float32Array.of(103, 96), true);
    expect(change).toBe(0);
    // Centred, (3, -4) is (3.5, -3.5).
    expect(norm).toBeCloseTo(Math.sqrt(2 * 3.5 ** 2), 6);
    expect(normChange(clean, Float32Array.of(103, 96)).change).toBeCloseTo(Math.sqrt(2e4), 6);
  });

  it('refuses rows of other lengths', () => {
    expect(() => normChange(clean, Float32Array.of(1))).toThrow(/shape/);
  });
});
