// Reads an npz of 200 MB into shards, stored and then deflated, each in a process of its own: seconds of CPU, the most that is in use
// at a time over what was before (at most 16 MB, or the status is 1), the same with garbage, and what is resident.
import { type ChildProcess, execFileSync, fork } from 'node:child_process';
import { once } from 'node:events';
import { open, rm } from 'node:fs/promises';
import { availableParallelism, cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { Zip, ZipDeflate, ZipPassThrough } from 'fflate';
import { fileSource } from '../../gpu-worker/datasets/file-source.ts';
import { writeNpy } from '../../gpu-worker/datasets/npy.ts';
import { readUpload } from '../../shared/uploads/read-upload.ts';
import { writeShard } from '../../shared/uploads/shard.ts';

/** Images of CIFAR-10's shape as float32: 206 MB. */
const examples = 16_800;
const shape = [examples, 3, 32, 32];
/** A few batches of 3 MB, the labels and the streams' own buffers. */
const liveMbMax = 16;

/** What a process measured of itself. */
interface Measurement {
  readonly cpuMs: number;
  /** Largest growth of heap and buffers over what was held before, with what the collector has yet to free, at each shard. */
  readonly heldMb: number;
  /** The same of what is in use alone, at every twentieth shard. */
  readonly liveMb: number;
  readonly residentMb: number;
  readonly baseMb: number;
}

if (process.argv[2] === 'measure') process.send!(await measure(process.argv[3]));
else await compare();

async function measure(path: string): Promise<Measurement> {
  const files = [{ name: 'set.npz', source: await fileSource(path) }];
  const heldMb = () => {
    const { heapUsed, external } = process.memoryUsage();
    return (heapUsed + external) / 2 ** 20;
  };
  const baseMb = heldMb();
  let [held, live, read, shards] = [0, 0, 0, 0];
  for await (const batch of readUpload(files, { format: 'npz', batch: 256 })) {
    read += batch.labels.length;
    if (writeShard(batch).length === 0) throw new Error('an empty shard');
    held = Math.max(held, heldMb());
    if (shards++ % 20 === 0) {
      // Buffers are freed beside the program: what the first collection has let go is gone at the second.
      globalThis.gc!();
      await setTimeout(20);
      globalThis.gc!();
      await setTimeout(20);
      live = Math.max(live, heldMb());
    }
  }
  if (read !== examples) throw new Error(`${read} examples were read`);
  const { userCPUTime, systemCPUTime, maxRSS } = process.resourceUsage();
  const cpuMs = (userCPUTime + systemCPUTime) / 1000;
  return {
    cpuMs,
    heldMb: held - baseMb,
    liveMb: live - baseMb,
    residentMb: maxRSS / 1024,
    baseMb,
  };
}

async function compare(): Promise<void> {
  const commit = execFileSync('git', ['rev-parse', '--short', 'HEAD'], { encoding: 'utf8' }).trim();
  console.log(
    `${cpus()[0].model}, ${availableParallelism()} cores, Node ${process.version}, commit ${commit}`,
  );
  for (const deflated of [false, true]) {
    const path = join(tmpdir(), `uploads-bench-${process.pid}.npz`);
    try {
      const bytes = await writeSet(path, deflated);
      const child = fork(fileURLToPath(import.meta.url), ['measure', path], { execArgv: ['--expose-gc'] });
      const [measured] = (await Promise.race([once(child, 'message'), ended(child)])) as [Measurement];
      const { cpuMs, liveMb, heldMb, residentMb, baseMb } = measured;
      console.log(
        `${deflated ? 'deflated' : 'stored'}: ${(bytes / 2 ** 20).toFixed(0)} MB, ${examples} images of float32, ${(cpuMs / 1000).toFixed(1)} s of CPU; ` +
          `in use at most ${liveMb.toFixed(1)} MB more than before, with garbage ${heldMb.toFixed(0)} MB, over ${baseMb.toFixed(0)} MB (resident ${residentMb.toFixed(0)} MB with Node)`,
      );
      if (liveMb > liveMbMax) process.exitCode = 1;
    } finally {
      await rm(path, { force: true });
    }
  }
}

/** Writes the set as it is made, so that this process does not hold it either; gives the file's size. */
async function writeSet(path: string, deflated: boolean): Promise<number> {
  const file = await open(path, 'w');
  const chunks: Uint8Array[] = [];
  const zip = new Zip((failure, chunk) => {
    if (failure) throw failure;
    chunks.push(chunk);
  });
  const flush = async () => {
    for (const chunk of chunks.splice(0)) await file.write(chunk);
  };
  const entry = (name: string) => {
    const added = deflated ? new ZipDeflate(name, { level: 1 }) : new ZipPassThrough(name);
    zip.add(added);
    return added;
  };
  const x = entry('x.npy');
  // Without elements the header alone is written; they follow row by row, each pixel one of 256 levels.
  x.push(writeNpy({ datatype: 'FP32', shape, data: new Float32Array(0) }));
  const row = new Float32Array(3 * 32 * 32);
  for (let index = 0; index < examples; index++) {
    for (let at = 0; at < row.length; at++)
      row[at] = (Math.imul(index * 3072 + at, 2_654_435_761) >>> 24) / 255;
    x.push(new Uint8Array(row.slice().buffer), index === examples - 1);
    if (chunks.length > 100) await flush();
  }
  const labels = new BigInt64Array(examples).map((_, index) => BigInt(index % 10));
  entry('y.npy').push(writeNpy({ datatype: 'INT64', shape: [examples], data: labels }), true);
  zip.end();
  await flush();
  const { size } = await file.stat();
  await file.close();
  return size;
}

async function ended(child: ChildProcess): Promise<never> {
  const [code] = await once(child, 'exit');
  throw new Error(`the measuring process ended with ${code}`);
}
