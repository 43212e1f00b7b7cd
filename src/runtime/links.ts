import { type MessagePort, receiveMessageOnPort } from 'node:worker_threads';
import type { ActorName } from './actor-init.ts';

type Handle = (message: never, from: ActorName) => void;

/** One actor's ports to the others, for as long as it lives; theirs may be replaced meanwhile. */
export class Links {
  readonly #ports: Map<ActorName, MessagePort>;
  #handle: Handle | undefined;

  constructor(ports: Readonly<Partial<Record<ActorName, MessagePort>>>) {
    this.#ports = new Map(Object.entries(ports) as [ActorName, MessagePort][]);
  }

  get(name: ActorName): MessagePort | undefined {
    return this.#ports.get(name);
  }

  /** Hears everyone that the actor is linked to, and will be. */
  listen<Message>(handle: (message: Message, from: ActorName) => void): void {
    this.#handle = handle;
    for (const [from, port] of this.#ports) this.#hear(from, port);
  }

  /** The other actor has died and begins anew: what the dead one had still to say is heard first, and nothing more of it later. */
  relink(name: ActorName, port: MessagePort): void {
    const before = this.#ports.get(name);
    this.#ports.set(name, port);
    if (before) {
      for (const message of lastWords(before)) this.#handle?.(message as never, name);
      before.close();
    }
    this.#hear(name, port);
  }

  close(): void {
    for (const port of this.#ports.values()) port.close();
  }

  #hear(from: ActorName, port: MessagePort): void {
    const handle = this.#handle;
    if (handle) port.on('message', (message: unknown) => handle(message as never, from));
  }
}

/** What has come over a port and was not heard yet, in order. */
export function* lastWords(port: MessagePort): Generator<unknown, void> {
  for (let item = receiveMessageOnPort(port); item; item = receiveMessageOnPort(port)) yield item.message;
}
