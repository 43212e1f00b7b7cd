/** What its connection to an engine tells a source. */
export type EngineInput =
  /** The engine has taken the request: what it remembers comes now, then what happens. */
  | { readonly type: 'stream-opened' }
  /** The next bytes of the stream. They stay as they are. */
  | { readonly type: 'bytes-arrived'; readonly bytes: Uint8Array }
  /** Nothing more comes on this connection; it may never have been one. */
  | { readonly type: 'stream-ended'; readonly why: string };

/** A container as its engine lists it. */
export interface ListedContainer {
  readonly id: string;
  readonly name?: string;
  readonly image?: string;
  readonly labels: Readonly<Record<string, string>>;
  /** It was started and has not ended; a paused one, too. */
  readonly isRunning: boolean;
  readonly isPaused: boolean;
}

/** What a source tells main: a sentence for the operator. */
export interface SourceNotice {
  readonly type: 'source-said';
  readonly message: string;
}
