/**
 * One connection of HTTP/2, and what Node leaves to its user: a client that never says its settings, one that is idle, a body that takes
 * for ever, and leaving without losing a request.
 *
 * Floods are the runtime's matter, which bounds each: frames that continue headers, 8 a block (nghttp2 1.61, CVE-2024-28182); streams
 * that the client resets, 1 000 and 33 more a second (nghttp2 1.57, CVE-2023-44487); acknowledgements of pings and settings that wait,
 * 1 000 (Node 12.8, CVE-2019-9512 and -9515); invalid frames, 1 000, and refused streams, 100 (Node's defaults); memory of a session,
 * 10 MB. All are in Node 24.0, the least that is supported.
 */
import {
  constants,
  performServerHandshake,
  type ServerHttp2Session,
  type ServerHttp2Stream,
  type ServerOptions,
} from 'node:http2';
import type { Socket } from 'node:net';
import type { Deadline, Deadlines } from '../../base/deadlines.ts';
import { standInFor } from '../inbound/socket-below.ts';
import type { ServerLimits } from './server-limits.ts';

/** What a session needs. */
export interface Http2Needs {
  readonly limits: ServerLimits;
  readonly deadlines: Deadlines;
  now(): number;
  /** Whether the body of a request may take as long as it likes, by its headers. */
  readonly isLong?: ((headers: Readonly<Record<string, unknown>>) => boolean) | undefined;
  onStream(stream: ServerHttp2Stream, headers: unknown, flags: number, rawHeaders: string[]): void;
  /** The client does not speak HTTP/2 as it should: Node's code. The connection closes. */
  onBroken(socket: Socket, reason: string): void;
}

/** A connection of HTTP/2. */
export class Http2Session {
  readonly session: ServerHttp2Session;
  private readonly socket: Socket;
  private readonly needs: Http2Needs;
  private settingsDue: Deadline | undefined;
  private idleDue: Deadline | undefined;
  /** Those that are open. */
  readonly streams = new Set<ServerHttp2Stream>();
  private hasBegun = false;

  constructor(socket: Socket, needs: Http2Needs) {
    this.socket = socket;
    this.needs = needs;
    const { limits } = needs;
    this.session = performServerHandshake(socket, optionsOf(limits));
    standInFor(socket, this.session);
    this.settingsDue = needs.deadlines.arm(this, limits.headersTimeoutMs, needs.now());
    this.session.once('remoteSettings', () => this.settingsDue?.cancel());
    this.session.once('close', () => {
      this.settingsDue?.cancel();
      this.idleDue?.cancel();
    });
    this.session.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== 'ECONNRESET') needs.onBroken(socket, error.code ?? 'ERR_HTTP2_ERROR');
    });
    this.waitForStreams();
    // Node reads what the socket holds in the next tick, and does not ask whether the session is still there.
    process.nextTick(() => {
      this.hasBegun = true;
    });
    this.session.on('stream', (stream, headers, flags, rawHeaders) => {
      // First of all, whatever becomes of it: Node says `stream` a tick after the head came, and what came with the head may have ended
      // the stream or the session by then, with an error that is emitted next.
      stream.on('error', ignore);
      this.streams.add(stream);
      this.idleDue?.cancel();
      stream.once('close', () => this.onStreamClose(stream));
      if (stream.destroyed || stream.closed || stream.session === undefined) return;
      stream.once('aborted', destroyClosed);
      const hasBody = (flags & constants.NGHTTP2_FLAG_END_STREAM) === 0;
      if (hasBody && limits.requestTimeoutMs > 0) {
        const due = new BodyDue(stream);
        if (needs.isLong?.(headers) !== true) due.arm(needs, limits.requestTimeoutMs);
        // What may last is over when it was answered (RFC 9113, section 8.1): a client that was refused has no stream for ever.
        else
          stream.once('finish', () => {
            if (!stream.readableEnded) due.arm(needs, afterAnswerMs);
          });
      }
      needs.onStream(stream, headers, flags, rawHeaders);
    });
  }

  private onStreamClose(stream: ServerHttp2Stream): void {
    this.streams.delete(stream);
    if (this.streams.size === 0) this.waitForStreams();
  }

  /**
   * Without streams for so long the connection is idle, whatever pings it carries. One whose session is over is cut after a
   * while: Node waits for a write that was under way, and for ever when its client had gone meanwhile (24.21).
   */
  private waitForStreams(): void {
    const { deadlines, limits } = this.needs;
    const timeoutMs = this.session.destroyed ? limits.headersTimeoutMs : limits.keepAliveTimeoutMs;
    this.idleDue?.cancel();
    this.idleDue = deadlines.arm(this, timeoutMs, this.needs.now());
  }

  onDeadline(deadline: Deadline): void {
    // The client opened a connection, and does not say what it can: RFC 9113, section 3.4.
    if (this.session.destroyed || (deadline === this.idleDue && this.session.closed)) this.socket.destroy();
    else if (deadline === this.settingsDue) this.destroy(constants.NGHTTP2_SETTINGS_TIMEOUT);
    else {
      this.leave();
      // What ends well is over by then.
      this.waitForStreams();
    }
  }

  /**
   * Asks the client to leave: a GOAWAY that names the last stream which is served (RFC 9113, section 6.8). What the client sent later
   * comes back as not processed, and may be sent again elsewhere. The notice before it, which RFC 9113 advises so that a round trip of
   * requests is spared that, cannot be had: nghttp2 takes no stream after a GOAWAY of whatever number, and Node has no call for the
   * other kind. An idle connection closes at once.
   */
  leave(): void {
    if (this.session.destroyed) return;
    this.forgetUnread();
    this.session.close();
  }

  /** Cuts it. */
  destroy(code = constants.NGHTTP2_NO_ERROR): void {
    this.forgetUnread();
    this.session.destroy(undefined, code);
  }

  /** What has come is not read by a session that ends before it has begun. */
  private forgetUnread(): void {
    if (!this.hasBegun) while (this.socket.read() !== null);
  }
}

/** The client closed it without an error: Node leaves it open for what was sent, and throws at whoever answers it meanwhile. */
function destroyClosed(this: ServerHttp2Stream): void {
  if (this.rstCode === constants.NGHTTP2_NO_ERROR) this.destroy();
}

function ignore(): void {
  // The request and the response are told by `close`.
}

/** What may still come of a body that may last, once its answer has been sent. */
const afterAnswerMs = 1000;

/** A request whose body takes too long is answered with 408 as HTTP/1.1 is, or broken off when a response has begun. */
class BodyDue {
  private readonly stream: ServerHttp2Stream;
  constructor(stream: ServerHttp2Stream) {
    this.stream = stream;
  }

  arm(needs: Http2Needs, timeoutMs: number): void {
    const deadline = needs.deadlines.arm(this, timeoutMs, needs.now());
    this.stream.once('close', () => deadline.cancel());
  }

  onDeadline(): void {
    const { stream } = this;
    if (stream.destroyed || stream.closed || stream.state.remoteClose === 1) return;
    if (!stream.headersSent) stream.respond({ [constants.HTTP2_HEADER_STATUS]: 408 }, { endStream: true });
    stream.close(stream.writableEnded ? constants.NGHTTP2_NO_ERROR : constants.NGHTTP2_CANCEL);
  }
}

function optionsOf(limits: ServerLimits): ServerOptions {
  const options: ServerOptions = {
    settings: {
      maxConcurrentStreams: limits.maxConcurrentStreams,
      maxHeaderListSize: limits.maxHeaderBytes,
      // A tunnel inside a stream (RFC 8441) is not offered.
      enableConnectProtocol: false,
    },
    // As HTTP/1.1 does: a handler that sets a header twice gets what it asked for, and no exception.
    strictSingleValueFields: false,
  };
  // Method, path, scheme and authority count among them in HTTP/2.
  return limits.maxHeaders === undefined ? options : { ...options, maxHeaderListPairs: limits.maxHeaders + 4 };
}
