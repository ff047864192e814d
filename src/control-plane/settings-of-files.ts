import { isDeepStrictEqual } from 'node:util';
import type { HostDefaults } from '../model/contracts.ts';
import type { FileSettings } from './file/index.ts';
import { safeDefaults } from './safe-defaults.ts';

/** What the files of a mesh say beside services, by the order of precedence: the first word on a thing counts. */
export class SettingsOfFiles {
  private readonly said: (FileSettings | undefined)[] = [];
  private readonly listeners = new Set<() => void>();

  /** The file at this place of the order says something new. */
  set(position: number, settings: FileSettings): void {
    this.said[position] = settings;
    for (const listener of this.listeners) listener();
  }

  /** Defaults of services that a file changes; undefined while they are the safe ones. */
  current(): HostDefaults | undefined {
    return this.said.find((file) => file !== undefined && !isDeepStrictEqual(file.hostDefaults, safeDefaults))?.hostDefaults;
  }

  onChange(listener: () => void): void {
    this.listeners.add(listener);
  }

  unknownHosts(): FileSettings['unknownHosts'] {
    return this.said.find((file) => file?.unknownHosts !== undefined)?.unknownHosts;
  }
}
