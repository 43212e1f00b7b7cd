import type net from 'node:net';
import type tls from 'node:tls';
import { hostAndPortText } from '../event/host-and-port.ts';
import { certificateName } from '../event/principal.ts';

/** Who is at the other end of a TCP connection. */
export interface RemotePeer {
  /** With its port. */
  readonly address: string;
  /** Of its certificate, for people to read; undefined when it has shown none, or one without. */
  readonly commonName?: string;
  /** All names in its certificate, as `allow` compares them: `cn:web`, `san:dns:web.example`. */
  readonly names: readonly string[];
}

/** As Node writes kinds of alternative names. */
const KINDS: Readonly<Record<string, string>> = { DNS: 'dns', URI: 'uri', email: 'email' };
/** What a certificate says need not be fit for a terminal. */
const MAX_SHOWN = 64;

/** @returns undefined when the other end has gone already */
export function remotePeerOf(socket: net.Socket): RemotePeer | undefined {
  const { remoteAddress: host, remotePort: port } = socket;
  if (host === undefined || port === undefined) return undefined;
  const address = hostAndPortText({ host, port });
  // Without a check of whom it comes from, a certificate says nothing.
  if (!isTls(socket) || !socket.authorized) return { address, names: [] };
  // Against its type there is none once the connection has ended, though its address is still known then.
  const certificate = socket.getPeerCertificate() as tls.PeerCertificate | null;
  if (!certificate) return undefined;
  const { subject, subjectaltname } = certificate;
  // A subject may have several, which the type does not say.
  const common = [(subject as tls.Certificate | undefined)?.CN ?? []].flat() as readonly string[];
  const [shown] = common;
  return {
    address,
    ...(shown === undefined ? {} : { commonName: shown.slice(0, MAX_SHOWN).replaceAll(/\p{C}/gu, '?') }),
    names: [...common.map((name) => `cn:${name}`), ...alternativeNames(subjectaltname ?? '')].map(certificateName),
  };
}

/** Without loading TLS for those who have no use for it. */
export function isTls(socket: net.Socket): socket is tls.TLSSocket {
  return (socket as Partial<tls.TLSSocket>).encrypted === true;
}

/**
 * Of `DNS:web.example, URI:spiffe://example/web`, in which a name with a comma, a quote or the like in it stands as a JSON string:
 * so a name cannot pretend to be two.
 */
export function alternativeNames(text: string): readonly string[] {
  const names: string[] = [];
  const pattern = /([^:,]+):(?:("(?:[^"\\]|\\.)*")|([^",]*))(?:, |$)/y;
  while (pattern.lastIndex < text.length) {
    const match = pattern.exec(text);
    const [, written = '', quoted, plain = ''] = match ?? [];
    const name = quoted === undefined ? plain : unquoted(quoted);
    // What cannot be understood admits nobody.
    if (!match || name === undefined) return [];
    const kind = KINDS[written];
    if (kind !== undefined) names.push(`san:${kind}:${name}`);
  }
  return names;
}

function unquoted(json: string): string | undefined {
  try {
    return String(JSON.parse(json));
  } catch {
    return undefined;
  }
}
