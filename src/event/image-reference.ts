/** The grammar of image references (distribution/reference, as Docker's filters apply it). */
const DOMAIN_COMPONENT = '[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?';
const DOMAIN = `(?:${DOMAIN_COMPONENT}(?:\\.${DOMAIN_COMPONENT})*|\\[[a-fA-F0-9:]+\\])(?::[0-9]+)?`;
const PATH_COMPONENT = '[a-z0-9]+(?:(?:\\.|_|__|-+)[a-z0-9]+)*';
const DIGEST = '[A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9a-fA-F]{32,}';
const REST = new RegExp(`^(${PATH_COMPONENT}(?:/${PATH_COMPONENT})*)(?::\\w[\\w.-]{0,127})?(?:@${DIGEST})?$`);
const IS_DOMAIN = new RegExp(`^${DOMAIN}$`);
const IDENTIFIER = /^[a-f0-9]{64}$/;
const MAX_NAME_CHARS = 255;
const HUB = 'docker.io';
const OFFICIAL = 'library/';

/**
 * The name that Docker shows for an image reference: without tag and digest, and without the registry and `library/` of
 * Docker Hub. What is no reference stays as it is.
 */
export function familiarName(image: string): string {
  if (IDENTIFIER.test(image)) return image;
  const { domain, rest } = splitDomain(image);
  const path = REST.exec(rest)?.[1];
  if (path === undefined || !IS_DOMAIN.test(domain)) return image;
  const isOfficial = domain === HUB && !path.includes('/');
  if (domain.length + 1 + path.length + (isOfficial ? OFFICIAL.length : 0) > MAX_NAME_CHARS) return image;
  if (domain !== HUB) return `${domain}/${path}`;
  const name = path.startsWith(OFFICIAL) ? path.slice(OFFICIAL.length) : path;
  // `library/a/b` is no official image.
  return name.includes('/') ? path : name;
}

/** The first component is a registry when it could not be part of a path: a dot, a port, `localhost`, capital letters. */
function splitDomain(image: string): { readonly domain: string; readonly rest: string } {
  const slash = image.indexOf('/');
  const first = image.slice(0, Math.max(0, slash));
  const isDomain = /[.:]/.test(first) || first === 'localhost' || first !== first.toLowerCase();
  if (slash < 0 || !isDomain) return { domain: HUB, rest: image };
  return { domain: first === 'index.docker.io' ? HUB : first, rest: image.slice(slash + 1) };
}
