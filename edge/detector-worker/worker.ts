// The detector Worker: scores NCCR vectors with the ONNX graph of a detector artefact, called by the edge over RPC.
import { WorkerEntrypoint } from 'cloudflare:workers';
import { GuardError } from '../../shared/errors.ts';
import type { ScoreAnswer, ScoreCall } from '../bindings.ts';
import {
  type ArtefactStore,
  artefactStore,
  type LoadedArtefact,
  sameScore,
} from '../clients/artefact-store.ts';
import { parseDetectorConfig } from '../config.ts';
import { keepFirst } from './keep-first.ts';
import { openOrtSession, runOrtSession } from './ort-runtime.ts';

type Session = Awaited<ReturnType<typeof openOrtSession>>;

/** Sessions that passed their self-check, by the artefact's key and the stage; an artefact is immutable. */
const sessions = new Map<string, { readonly digest: string; readonly session: Session }>();
let store: ArtefactStore | undefined;

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
}

export default {
  /** The Worker has no front door. */
  fetch(): Response {
    return new Response(null, { status: 404 });
  },
};

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
