// Reads a config.pbtxt against the part of Triton's schema that ours uses: a field, type or name that Triton does not know is an error.

/** What a field holds: one of the scalar types, the names of an enumeration, or a message; more than once where it is repeated. */
interface FieldType {
  readonly type: 'string' | 'int' | 'bool' | readonly string[] | MessageType;
  readonly repeated?: true;
}
type MessageType = { readonly [field: string]: FieldType };

/** A message that was read; repeated fields are lists. */
export interface TextMessage {
  readonly [field: string]: unknown;
}

const dataTypes = ['BOOL', 'UINT8', 'UINT16', 'UINT32', 'UINT64', 'INT8', 'INT16', 'INT32', 'INT64'];
const floats = ['FP16', 'FP32', 'FP64', 'STRING', 'BF16', 'INVALID'];
const dataType = [...dataTypes, ...floats].map((name) => `TYPE_${name}`);
const int = { type: 'int' } as const;
const ints = { type: 'int', repeated: true } as const;
const string = { type: 'string' } as const;
const bool = { type: 'bool' } as const;

const queuePolicy: MessageType = {
  timeout_action: { type: ['REJECT', 'DELAY'] },
  default_timeout_microseconds: int,
  allow_timeout_override: bool,
  max_queue_size: int,
};

/**
 * `inference.ModelConfig` with the fields that a served ONNX graph can have.
 * @see https://github.com/triton-inference-server/common protobuf/model_config.proto, commit 08365eae35e2
 */
export const modelConfigType: MessageType = {
  name: string,
  platform: string,
  backend: string,
  max_batch_size: int,
  default_model_filename: string,
  version_policy: {
    type: {
      latest: { type: { num_versions: int } },
      all: { type: {} },
      specific: { type: { versions: ints } },
    },
  },
  input: {
    type: { name: string, data_type: { type: dataType }, dims: ints, optional: bool },
    repeated: true,
  },
  output: {
    type: { name: string, data_type: { type: dataType }, dims: ints, label_filename: string },
    repeated: true,
  },
  instance_group: {
    type: {
      name: string,
      kind: { type: ['KIND_AUTO', 'KIND_GPU', 'KIND_CPU', 'KIND_MODEL'] },
      count: int,
      gpus: ints,
    },
    repeated: true,
  },
  dynamic_batching: {
    type: {
      preferred_batch_size: ints,
      max_queue_delay_microseconds: int,
      preserve_ordering: bool,
      default_queue_policy: { type: queuePolicy },
    },
  },
};

/** Reads a message in the text format of protocol buffers. @throws Error that names what the schema does not allow */
export function readTextFormat(text: string, type: MessageType): TextMessage {
  const tokens = text.match(/"(?:[^"\\]|\\.)*"|[A-Za-z_]\w*|-?\d+|[{}[\]:,]/g) ?? [];
  if (tokens.join('') !== text.replaceAll(/\s+(?=(?:[^"]*"[^"]*")*[^"]*$)/g, '')) {
    throw new Error('a character that is none of the format');
  }
  let place = 0;
  const message = (of: MessageType, end: string | undefined): TextMessage => {
    const read: Record<string, unknown> = {};
    while (tokens[place] !== end) {
      const name = tokens[place++];
      const field = of[name];
      if (field === undefined) throw new Error(`there is no field ${name}`);
      if (field.repeated === undefined && name in read) throw new Error(`a second ${name}`);
      const values = fieldValues(name, field);
      read[name] = field.repeated ? [...((read[name] as unknown[]) ?? []), ...values] : values[0];
    }
    place++;
    return read;
  };
  const fieldValues = (name: string, { type: of, repeated }: FieldType): unknown[] => {
    if (typeof of === 'object' && !Array.isArray(of)) {
      if (tokens[place++] !== '{') throw new Error(`${name} is a message`);
      return [message(of as MessageType, '}')];
    }
    if (tokens[place++] !== ':') throw new Error(`${name} has no value`);
    if (tokens[place] !== '[') return [scalar(name, tokens[place++], of as FieldType['type'])];
    if (!repeated) throw new Error(`${name} is one value`);
    const list = [];
    while (tokens[place] !== ']') {
      place++;
      list.push(scalar(name, tokens[place++], of as FieldType['type']));
    }
    place++;
    return list;
  };
  return message(type, undefined);
}

function scalar(name: string, token: string, type: FieldType['type']): unknown {
  if (type === 'string' && token.startsWith('"')) return JSON.parse(token);
  if (type === 'int' && /^-?\d+$/.test(token)) return Number(token);
  if (type === 'bool' && (token === 'true' || token === 'false')) return token === 'true';
  if (Array.isArray(type) && type.includes(token)) return token;
  throw new Error(`${name} cannot be ${token}`);
}
