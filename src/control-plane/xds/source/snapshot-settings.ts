/** Where and how the last good resources are kept on the disk. */
export interface SnapshotSettings {
  /** A folder that belongs to this user alone; made with mode 0700 when it is not there. */
  readonly folder: string;
  /** An older one is not used. Default 86 400 000, a day. */
  readonly maxAgeMs: number;
  /** So long the server may take to speak before the snapshot is used. Default 1000. */
  readonly waitMs: number;
  /** Whose snapshot it is, such as the node and the servers: another one's is not used. */
  readonly owner: string;
}
