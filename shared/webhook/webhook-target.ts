// Which addresses a webhook may go to: the guard must not be made to call into its own network.
import ipaddr from 'ipaddr.js';
import { GuardError } from '../errors.ts';
import { webhookCharactersMax } from '../limits.ts';

/** What an operator allows beside https to public hosts on port 443. */
export interface TargetPolicy {
  /** The only hosts that are called, as URLs have them, with no wildcards; any public host where it is not given. */
  readonly hosts?: readonly string[];
  /** Ports beside 443. */
  readonly ports?: readonly number[];
  /** For tests on one machine: http, and loopback addresses on any port. Other private addresses stay refused. */
  readonly loopback?: boolean;
}

/** Names that resolve inside a network or on the machine itself (RFC 6761, 6762, 8375, 9476; ICANN's `internal`; common use). */
const privateSuffixes = [
  'localhost',
  'local',
  'internal',
  'intranet',
  'private',
  'corp',
  'home',
  'lan',
  'localdomain',
  'alt',
  'arpa',
  'example',
  'invalid',
  'onion',
  'test',
];
/** Services that a cloud offers its own machines at public addresses: Azure's wire server. */
const cloudAddresses = ['168.63.129.16'];
/** Unicast addresses of IPv6 are only handed out under this prefix (RFC 4291); ipaddr.js takes all the rest for unicast too. */
const globalUnicast = ipaddr.IPv6.parseCIDR('2000::/3');

/**
 * Reads the address of a webhook and refuses one that leads inside. The URL parser comes first: it turns every notation of an
 * address (decimal, octal, hexadecimal, short, full-width, percent-encoded) into the one that is judged.
 *
 * Not seen here: what a public name resolves to. A Worker has no resolver, and one that looks beforehand is deceived by an
 * answer that changes (DNS rebinding). Where the connection is made it can be held: Cloudflare's network reaches no private
 * address, and a self-hosted workerd judges the address that it connects to by the `allow` of its network service, which is
 * `["public"]` unless somebody widens it. Miniflare does widen it: there, give `hosts`, or let `lookup` of the delivery look.
 *
 * @throws GuardError `malformed_request` with the reason
 */
export function webhookTarget(text: string, policy: TargetPolicy = {}): URL {
  const refuse = (reason: string) => new GuardError('malformed_request', `the webhook's address ${reason}`);
  if (text.length > webhookCharactersMax) throw refuse(`has more than ${webhookCharactersMax} characters`);
  const url = URL.parse(text);
  if (url === null) throw refuse('is not a URL');
  const { hosts, ports = [], loopback = false } = policy;
  const host = hostOf(url);
  const own = loopback && isLoopback(host);
  if (url.protocol !== 'https:' && !(own && url.protocol === 'http:'))
    throw refuse('must begin with https://');
  if (url.username !== '' || url.password !== '') throw refuse('must not carry credentials');
  if (url.hash !== '') throw refuse('must not have a fragment');
  if (own) return url;
  if (![443, ...ports].includes(url.port === '' ? 443 : Number(url.port))) {
    throw refuse(`names port ${url.port}, which is not allowed`);
  }
  if (ipaddr.isValid(host)) {
    if (!isPublicAddress(host)) throw refuse('is not of the public network');
  } else if (!isPublicName(host)) {
    throw refuse('names a host that is not of the public network');
  }
  if (hosts !== undefined && !hosts.map((name) => name.toLowerCase()).includes(host)) {
    throw refuse('names a host that is not on the list');
  }
  return url;
}

/** Whether an address, in the usual notation, is one of the public network: none that only stands for another. */
export function isPublicAddress(text: string): boolean {
  if (!ipaddr.isValid(text) || cloudAddresses.includes(text)) return false;
  const address = ipaddr.parse(text);
  if (address.range() !== 'unicast') return false;
  return address instanceof ipaddr.IPv4 || address.match(globalUnicast);
}

/** Without the brackets of IPv6 and the root's dot. */
function hostOf({ hostname }: URL): string {
  return hostname.replace(/^\[(.*)\]$/, '$1').replace(/\.$/, '');
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || (ipaddr.isValid(host) && ipaddr.parse(host).range() === 'loopback');
}

function isPublicName(host: string): boolean {
  const labels = host.split('.');
  if (labels.length < 2 || host.length > 253) return false;
  if (!labels.every((label) => /^[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?$/.test(label))) return false;
  return !privateSuffixes.includes(labels.at(-1)!);
}
