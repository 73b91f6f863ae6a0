// Types of a graph's inputs and outputs.
import { create } from '@bufbuild/protobuf';
import { elementTypes, type ValueInfoProto, ValueInfoProtoSchema } from './schema/messages.ts';

/** An extent: a number, or the name of a free one. */
export type Extent = number | string;

/** Describes an input or output. */
export function valueInfo(
  name: string,
  shape: readonly Extent[],
  element: keyof typeof elementTypes = 'float',
): ValueInfoProto {
  const dim = shape.map((extent) => ({
    value:
      typeof extent === 'number'
        ? { case: 'dimValue' as const, value: BigInt(extent) }
        : { case: 'dimParam' as const, value: extent },
  }));
  const value = { elemType: elementTypes[element], shape: { dim } };
  return create(ValueInfoProtoSchema, { name, type: { value: { case: 'tensorType', value } } });
}

/** Shape that a value declares, free extents as -1; undefined where it declares none. */
export function declaredShape(info: ValueInfoProto): number[] | undefined {
  return info.type?.value.value?.shape?.dim.map(({ value }) =>
    value.case === 'dimValue' ? Number(value.value) : -1,
  );
}
