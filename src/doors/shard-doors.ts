import type { Fanout } from '../actors/fanout.ts';
import { Redactor } from '../codec/redactor.ts';
import { parseListeners } from '../event/listener-address.ts';
import { parseSecretWords } from '../event/secret-names.ts';
import type { Counters } from '../messages/counters.ts';
import { DescriptorTable } from '../messages/descriptor-table.ts';
import { LiveSettings } from '../messages/live-settings.ts';
import type { HostInit } from '../runtime/actor-init.ts';
import type { ShardDoors } from '../runtime/door-hooks.ts';
import { LogState } from '../messages/log-state.ts';
import { ConnectionPlaces } from './connection-places.ts';
import { ListenerDoors } from './listener-doors.ts';
import { ListenerShard } from './listener-shard.ts';
import { loadPosix } from './posix.ts';
import { SocketWriter } from './socket-writer.ts';

/** The doors of one shard, on every socket that the pipeline listens on. */
export async function openShardDoors(fanout: Fanout, init: HostInit, counters: Counters): Promise<ShardDoors> {
  const { options, listenFds } = init;
  if (listenFds.length === 0) return { stopListening: async () => {}, reloadCertificates() {}, close: async () => {} };
  const posix = await loadPosix();
  const writer = new SocketWriter(posix, init.life);
  const { redact, redactNames, maxStreams, maxRequests } = options;
  const settings = new LiveSettings(init.memory.settings);
  const isuladReplay = (): number => settings.get('isuladReplay');
  const places = new ConnectionPlaces(init.shard, new LogState(init.memory.logState), settings);
  const descriptors = new DescriptorTable(init.memory.descriptors, init.shard);
  const env = { posix, descriptors, counters, writer, places, isuladReplay, maxStreams, maxRequests };
  const words = parseSecretWords(redactNames);
  const doors = parseListeners(options.listen).map((listener) => {
    const redactor = (listener.redact ?? redact) ? new Redactor(words) : undefined;
    return new ListenerDoors(new ListenerShard(posix, fanout, listener, redactor), env);
  });
  const abandon = (): void => {
    for (const door of doors) door.abandon();
  };
  // What ends this thread ends no process then.
  if (options.threads === 'workers') process.once('exit', abandon);
  const close = async (): Promise<void> => {
    await Promise.all(doors.map((door) => door.close()));
    writer.close();
    process.off('exit', abandon);
  };
  try {
    await Promise.all(doors.map((door, index) => door.open(listenFds[index]!)));
  } catch (error) {
    await close();
    throw error;
  }
  return {
    close,
    async stopListening(flushLimitMs) {
      await Promise.all(doors.map((door) => door.stopListening(flushLimitMs)));
    },
    reloadCertificates() {
      for (const door of doors) door.reloadCertificates();
    },
  };
}
