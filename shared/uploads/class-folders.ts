// Which class a file belongs to: class folders stand side by side, named by numbers or in the order of their names.
import { checkClasses, checkExamples } from './check-upload.ts';
import { invalidUpload, type UploadLimits, type UploadOptions } from './upload.ts';

const imageEnding = /\.(png|jpe?g|ppm|pgm)$/i;
/** What people and systems put beside images: notes, lists and licences, previews. */
const besides = /^(readme.*|licen[cs]e.*|thumbs\.db|desktop\.ini|.*\.(txt|md|csv|json))$/i;

/** What a path in the archive is; `hidden-image` is left out where it is no image but a note that macOS keeps of one. */
export type PathKind = 'example' | 'hidden-image' | 'ignored';

/**
 * Tells an example from what lies beside the examples.
 * @throws GuardError `invalid_dataset` where it is neither
 */
export function kindOfPath(path: string, archive: string): PathKind {
  const parts = path.split('/');
  const isImage = imageEnding.test(path);
  if (parts.some(isHidden)) return isImage ? 'hidden-image' : 'ignored';
  if (isImage) return 'example';
  if (besides.test(parts.at(-1)!)) return 'ignored';
  throw invalidUpload(`${path} in ${archive} is no PNG, JPEG or PPM file`);
}

/** Magic number of AppleDouble files, in which macOS keeps what it knows of a file beside it (RFC 1740, appendix A). */
const appleDouble = [0x00, 0x05, 0x16, 0x07];

/**
 * Refuses a hidden image: training may read what a listing does not show, so it is not left out of the screening.
 * @throws GuardError `invalid_dataset`
 */
export function checkHiddenImage(bytes: Uint8Array, name: string): void {
  if (appleDouble.every((byte, index) => bytes[index] === byte)) return;
  throw invalidUpload(`${name} is hidden and an image by its name; only notes of macOS are left out`);
}

/** Classes of an archive, found while it is read once. */
export interface ClassFolders {
  /** Label of the file at this path, which was added. */
  labelOf(path: string): number;
  /** Names by label; the label itself where it has no folder. */
  readonly names: readonly string[];
  /** Examples by label. */
  readonly counts: readonly number[];
}

/** Collects folders; whoever has added all of an archive's entries closes it. */
export class FolderCollection {
  readonly #archive: string;
  readonly #limits: UploadLimits;
  /** Examples by name of the class folder; 0 where only the folder itself was seen. */
  readonly #examples = new Map<string, number>();
  /** Folder in which the class folders stand, of the first example. */
  #parent: string | undefined;
  readonly #folders = new Set<string>();

  constructor(archive: string, limits: UploadLimits) {
    this.#archive = archive;
    this.#limits = limits;
  }

  /** Adds a folder as such: it may turn out to be a class without examples. */
  addFolder(path: string): void {
    if (path === '' || path.split('/').some(isHidden)) return;
    this.#folders.add(path);
    this.#checkNumber(this.#folders.size);
  }

  /**
   * Adds an example.
   * @throws GuardError `invalid_dataset` where it lies in no class folder, or deeper or elsewhere than the others
   */
  addExample(path: string): void {
    const { parent, folder } = split(path);
    if (folder === '') throw invalidUpload(`${path} in ${this.#archive} lies in no class folder`);
    this.#parent ??= parent;
    if (parent !== this.#parent) {
      const others = this.#parent === '' ? 'the top' : this.#parent;
      throw invalidUpload(
        `${path} in ${this.#archive} lies in a folder of ${parent || 'the top'}, other examples in folders of ${others}: class folders stand side by side`,
      );
    }
    this.#examples.set(folder, (this.#examples.get(folder) ?? 0) + 1);
    this.#checkNumber(this.#examples.size);
  }

  /**
   * Gives the folders their labels.
   * @throws GuardError where there are no examples or too many, a folder has none, or the folders do not fit the model
   */
  close(options: UploadOptions): ClassFolders {
    const folders = [...this.#examples.keys()];
    checkExamples(
      [...this.#examples.values()].reduce((sum, count) => sum + count, 0),
      this.#archive,
      this.#limits,
    );
    const labels = folders.every((folder) => /^\d+$/.test(folder))
      ? this.#numbered(folders, options)
      : this.#sorted(folders, options);
    const length = Math.max(...labels.values()) + 1;
    const names = Array.from({ length }, (_, label) => String(label));
    const counts = names.map(() => 0);
    for (const [folder, label] of labels) {
      names[label] = folder;
      counts[label] = this.#examples.get(folder)!;
    }
    checkClasses(counts, this.#archive);
    return { labelOf: (path) => labels.get(split(path).folder)!, names, counts };
  }

  #numbered(folders: readonly string[], options: UploadOptions): Map<string, number> {
    const labels = new Map(folders.map((folder) => [folder, Number(folder)]));
    const classes = options.classes ?? this.#limits.classes;
    const seen = new Map<number, string>();
    for (const [folder, label] of labels) {
      if (label >= classes) {
        throw invalidUpload(
          `${this.#archive} has the class folder ${folder}; labels go up to ${classes - 1}`,
        );
      }
      if (seen.has(label)) {
        throw invalidUpload(
          `${this.#archive} has two folders of class ${label}: ${seen.get(label)} and ${folder}`,
        );
      }
      seen.set(label, folder);
    }
    return labels;
  }

  #sorted(folders: readonly string[], options: UploadOptions): Map<string, number> {
    // A class without examples would shift the labels of those behind it.
    for (const path of this.#folders) {
      const { parent, folder } = split(`${path}/`);
      if (parent === this.#parent && !this.#examples.has(folder)) {
        throw invalidUpload(`the class folder ${path} in ${this.#archive} has no examples`);
      }
    }
    if (options.classes !== undefined && folders.length !== options.classes) {
      throw invalidUpload(
        `${this.#archive} has ${folders.length} class folders, the model ${options.classes} classes: labels are the places of the folders' names in their order, unless all are numbers`,
      );
    }
    return new Map(folders.toSorted().map((folder, label) => [folder, label]));
  }

  #checkNumber(folders: number): void {
    if (folders > this.#limits.classes) {
      throw invalidUpload(`${this.#archive} has more than ${this.#limits.classes} folders`);
    }
  }
}

function split(path: string): { parent: string; folder: string } {
  const parts = path.split('/');
  return { parent: parts.slice(0, -2).join('/'), folder: parts.at(-2) ?? '' };
}

function isHidden(part: string): boolean {
  return part.startsWith('.') || part === '__MACOSX';
}
