import { type Address, addressOf, type ClientTls } from './address.ts';
import { type Environment, systemEnvironment } from './environment.ts';
import { EventStream } from './event-stream.ts';
import type { EventsOptions } from './events-query.ts';
import { ResumingStream } from './resuming-stream.ts';

export interface ClientOptions {
  /** `unix:///run/tocsin/tocsin.sock`, `tcp://far:2376` or `https://far:2376`, or `http://127.0.0.1:2380`. */
  readonly host: string;
  /** For `tcp://` and `https://`: whom to believe who the daemon is, and what to show to it. */
  readonly tls?: ClientTls;
}

/** A client of a daemon's event socket. It holds no connection of its own: each stream has one. */
export class TocsinClient {
  readonly #address: Address;
  readonly #environment: Environment;

  /** @param environment clock, randomness and timers, for tests @throws ERR_OPTION_INVALID */
  constructor(options: ClientOptions, environment: Environment = systemEnvironment()) {
    this.#address = addressOf(options.host, options.tls);
    this.#environment = environment;
  }

  /**
   * Events from where the options say, over as many connections as it takes: none is lost, none comes twice, and what the
   * daemon no longer has is told as a gap. The connection is made with the first `next`, and `break` closes it.
   * @throws ERR_OPTION_INVALID, ERR_PARAMETER_INVALID, ERR_TIME_INVALID, ERR_SINCE_AFTER_UNTIL, ERR_FILTER_INVALID
   */
  events(options: EventsOptions = {}): EventStream {
    return new EventStream(this.lines(options), options.after);
  }

  /** The same stream as lines of JSON, many at a time and as they came. Its owner need not parse what it only hands on. */
  lines(options: EventsOptions = {}): ResumingStream {
    return new ResumingStream(this.#address, options, this.#environment);
  }
}
