// Progress on standard error: a bar where a person watches, a line a stage where a log is kept, nothing for a program.
import { SingleBar } from 'cli-progress';
import type { StageProgress } from '../calibrate/training-inputs.ts';

/** A running display of named stages. */
export interface ProgressDisplay {
  readonly onStage: StageProgress;
  stop(): void;
}

/** Shows the stages as they come; silent with `quiet`. */
export function progressDisplay({ quiet }: { quiet: boolean }): ProgressDisplay {
  if (quiet) return { onStage: () => {}, stop: () => {} };
  return process.stderr.isTTY ? barDisplay() : lineDisplay();
}

function barDisplay(): ProgressDisplay {
  let bar: SingleBar | undefined;
  let shown: string | undefined;
  return {
    onStage(stage, share) {
      if (stage !== shown) {
        bar?.stop();
        const format = `${stage.padEnd(30)} [{bar}] {percentage}% | {eta_formatted} left`;
        bar = new SingleBar({ format, stream: process.stderr, hideCursor: true, etaBuffer: 50 });
        bar.start(1000, 0);
        shown = stage;
      }
      bar?.update(Math.round(1000 * Math.min(1, share)));
    },
    stop() {
      bar?.stop();
      bar = undefined;
    },
  };
}

function lineDisplay(): ProgressDisplay {
  let shown: string | undefined;
  let startedAt = 0;
  const end = () => {
    if (shown !== undefined)
      console.error(`${shown}: ${((performance.now() - startedAt) / 1000).toFixed(1)} s`);
    shown = undefined;
  };
  return {
    onStage(stage) {
      if (stage === shown) return;
      end();
      shown = stage;
      startedAt = performance.now();
    },
    stop: end,
  };
}
