// The detector Worker, called by the edge over RPC: scores NCCR vectors with the ONNX graph of a detector artefact, and runs the compiled
// graphs of models that need no gpu-worker.
import { WorkerEntrypoint } from 'cloudflare:workers';
import { GuardError } from '../../shared/errors.ts';
import { graphCallBytesMax, graphCallsMax, graphsBytesMax } from '../../shared/limits.ts';
import type {
  GraphAnswer,
  GraphCall,
  GraphOutputs,
  GraphQuestion,
  HeldGraph,
  ScoreAnswer,
  ScoreCall,
} from '../bindings.ts';
import {
  type ArtefactStore,
  artefactStore,
  type LoadedArtefact,
  sameScore,
} from '../clients/artefact-store.ts';
import { requireIdentity } from '../clients/require-identity.ts';
import { parseDetectorConfig } from '../config.ts';
import { pendingWork } from '../guard/pending-work.ts';
import { answerCall } from './answer-call.ts';
import { extractRows } from './extract-rows.ts';
import { type GraphSessions, graphSessions } from './graph-sessions.ts';
import { keepFirst } from './keep-first.ts';
import { type CompiledGraph, openGraph, readGraph } from './open-graph.ts';
import { openOrtSession, runOrtSession } from './ort-runtime.ts';

type Session = Awaited<ReturnType<typeof openOrtSession>>;

/** Sessions that passed their self-check, by the artefact's key and the stage; an artefact is immutable. */
const sessions = new Map<string, { readonly digest: string; readonly session: Session }>();
let store: ArtefactStore | undefined;

let graphs: GraphSessions<CompiledGraph> | undefined;
/** A guard's verdict may take a minute: then the place of a call is free whatever became of it. */
const calls = pendingWork({ requestsMax: graphCallsMax, bytesMax: graphCallBytesMax, lastsMs: 60_000 });

/** What the edge binds to as DETECTOR. */
export class DetectorWorker extends WorkerEntrypoint<object> {
  /** @throws Error where the artefact is another than the edge's, is not signed as it must be, fails its self-check, or does not run */
  async score({ artefactKey, artefactDigest, stage, vectors, rows }: ScoreCall): Promise<ScoreAnswer> {
    const sessionKey = JSON.stringify([artefactKey, stage ?? null]);
    let known = sessions.get(sessionKey);
    if (known === undefined) {
      store ??= await openStore(this.env);
      const opening = store
        .load(artefactKey)
        .then((loaded) => openChecked(loaded, stage))
        .then((opened) => keepFirst(sessions, sessionKey, opened));
      // A start that other requests wait for must not end with the request that began it.
      this.ctx.waitUntil(opening.catch(() => undefined));
      known = await opening;
    }
    if (known.digest !== artefactDigest) {
      throw new GuardError('conflict', 'the edge and the detector Worker hold different artefacts');
    }
    return { scorer: 'onnxruntime-web', scores: await runOrtSession(known.session, vectors, rows) };
  }

  /** Opens a graph where it is not open yet, and says what it was made from. */
  describe({ graph, expected, deadlineAt }: GraphQuestion): Promise<GraphAnswer<HeldGraph>> {
    return answerCall(async () => {
      const moment = { deadlineAt, waitUntil: this.ctx.waitUntil.bind(this.ctx) };
      graphs ??= openGraphs(this.env);
      return graphs.use(graph, moment, async ({ held }) => {
        requireIdentity(held, expected, 'the detector Worker');
        return held;
      });
    });
  }

  /** Runs a graph over the rows of one request. */
  extract(call: GraphCall): Promise<GraphAnswer<GraphOutputs>> {
    return answerCall(async () => {
      const leave = calls.admit(call.inputs.byteLength);
      if (leave === undefined) {
        throw new GuardError('overloaded', 'the detector Worker has more work than it takes');
      }
      try {
        graphs ??= openGraphs(this.env);
        return await extractRows(call, { sessions: graphs, waitUntil: this.ctx.waitUntil.bind(this.ctx) });
      } finally {
        leave();
      }
    });
  }
}

export default {
  /** The Worker has no front door. */
  fetch(): Response {
    return new Response(null, { status: 404 });
  },
};

function openGraphs(env: object): GraphSessions<CompiledGraph> {
  const { artefacts } = parseDetectorConfig(env);
  return graphSessions({
    read: (graph) => readGraph(artefacts, graph),
    open: openGraph,
    bytesMax: graphsBytesMax,
  });
}

function openStore(env: object): Promise<ArtefactStore> {
  const { artefacts, artefactPublicKey: publicKey } = parseDetectorConfig(env);
  return artefactStore(artefacts, { publicKey });
}

async function openChecked({ artefact, digest }: LoadedArtefact, stage: number | undefined) {
  const scorer = stage === undefined ? artefact : artefact.sequential?.stages[stage];
  if (scorer === undefined) throw new GuardError('invalid_artefact', `the detector has no stage ${stage}`);
  const onnx = Uint8Array.from(atob(scorer.onnx), (character) => character.charCodeAt(0));
  const session = await openOrtSession(onnx);
  const { vectors, scores } = scorer.self_check;
  const computed = await runOrtSession(session, Float64Array.from(vectors.flat()), vectors.length);
  if (computed.length !== scores.length || !scores.every((score, row) => sameScore(computed[row], score))) {
    await session.release();
    throw new GuardError('invalid_artefact', 'the ONNX detector does not reproduce the self-check');
  }
  return { digest, session };
}
