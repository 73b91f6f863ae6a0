// Progress on standard error: a bar where a person watches, nothing where a program reads.
import { SingleBar } from 'cli-progress';
import type { StageProgress } from '../calibrate/training-set.ts';

/** A running display of named stages. */
export interface ProgressDisplay {
  readonly onStage: StageProgress;
  stop(): void;
}

/** Shows one bar a stage; silent with `quiet` or where standard error is no terminal. */
export function progressDisplay({ quiet }: { quiet: boolean }): ProgressDisplay {
  if (quiet || !process.stderr.isTTY) return { onStage: () => {}, stop: () => {} };
  let bar: SingleBar | undefined;
  let shown: string | undefined;
  return {
    onStage(stage, share) {
      if (stage !== shown) {
        bar?.stop();
        const format = `${stage.padEnd(22)} [{bar}] {percentage}% | {eta_formatted} left`;
        bar = new SingleBar({ format, stream: process.stderr, hideCursor: true, etaBuffer: 50 });
        bar.start(1000, 0);
        shown = stage;
      }
      bar?.update(Math.round(1000 * Math.min(1, share)));
    },
    stop() {
      bar?.stop();
    },
  };
}
