import { describe, expect, it } from 'vitest';
import { GuardError } from '../../../shared/errors.ts';
import { isPublicAddress, webhookTarget } from '../../../shared/webhook/webhook-target.ts';

/** Every notation that leads, or may lead, into the network of whoever calls. */
const refused = [
  // Schemes.
  'http://hooks.acme.com/',
  'ftp://hooks.acme.com/',
  'file:///etc/passwd',
  'javascript:alert(1)',
  'data:text/plain,x',
  // Not URLs.
  '',
  'hooks.acme.com',
  'https://',
  'https://[::1',
  'https://1.2.3.4.5/',
  'https://4294967296/',
  'https://[fe80::1%25eth0]/',
  `https://hooks.acme.com/${'a'.repeat(2048)}`,
  // Credentials and fragments.
  'https://user@hooks.acme.com/',
  'https://user:password@hooks.acme.com/',
  'https://hooks.acme.com:x@127.0.0.1/',
  'https://hooks.acme.com/#fragment',
  // Ports.
  'https://hooks.acme.com:80/',
  'https://hooks.acme.com:22/',
  'https://hooks.acme.com:8443/',
  // Loopback.
  'https://127.0.0.1/',
  'https://127.255.255.254/',
  'https://127.1/',
  'https://2130706433/',
  'https://0x7f000001/',
  'https://0x7f.0.0.1/',
  'https://0177.0.0.1/',
  'https://017700000001/',
  'https://127.0.0.1./',
  'https://%31%32%37.0.0.1/',
  'https://①②⑦.⓪.⓪.①/',
  'https://127。0。0。1/',
  'https://0/',
  'https://0.0.0.0/',
  'https://[::1]/',
  'https://[0:0:0:0:0:0:0:1]/',
  'https://[::]/',
  // Private, link-local, shared, multicast, broadcast, reserved.
  'https://10.0.0.1/',
  'https://0xa000001/',
  'https://172.16.0.1/',
  'https://172.31.255.255/',
  'https://192.168.1.1/',
  'https://0300.0250.1.1/',
  'https://169.254.169.254/latest/meta-data/',
  'https://2852039166/latest/meta-data/',
  'https://100.64.0.1/',
  'https://192.0.0.192/',
  'https://192.0.2.1/',
  'https://198.18.0.1/',
  'https://198.51.100.1/',
  'https://203.0.113.1/',
  'https://224.0.0.1/',
  'https://240.0.0.1/',
  'https://255.255.255.255/',
  'https://168.63.129.16/',
  'https://[fe80::1]/',
  'https://[fec0::1]/',
  'https://[fc00::1]/',
  'https://[fd00:ec2::254]/',
  'https://[ff02::1]/',
  'https://[2001:db8::1]/',
  'https://[4000::1]/',
  // IPv6 that stands for IPv4.
  'https://[::ffff:127.0.0.1]/',
  'https://[::ffff:a00:1]/',
  'https://[::ffff:8.8.8.8]/',
  'https://[::127.0.0.1]/',
  'https://[::ffff:0:127.0.0.1]/',
  'https://[64:ff9b::127.0.0.1]/',
  'https://[64:ff9b::a9fe:a9fe]/',
  'https://[64:ff9b:1::a00:1]/',
  'https://[2002:7f00:1::]/',
  'https://[2001:0:7f00:1::]/',
  // Names.
  'https://localhost/',
  'https://LOCALHOST./',
  'https://hooks.localhost/',
  'https://printer.local/',
  'https://printer.local./',
  'https://printer。local/',
  'https://metadata.google.internal/',
  'https://kubernetes/',
  'https://kubernetes.default.svc.cluster.local/',
  'https://router.lan/',
  'https://nas.home.arpa/',
  'https://wiki.corp/',
  'https://acme.test/',
  'https://service.onion/',
  'https://hooks..acme.com/',
  'https://.acme.com/',
  'https://-hooks.acme.com/',
];

const allowed = [
  ['https://hooks.acme.com/nccr?job=1', 'https://hooks.acme.com/nccr?job=1'],
  ['https://HOOKS.acme.com:443', 'https://hooks.acme.com/'],
  ['https://hooks.acme.com./', 'https://hooks.acme.com./'],
  ['https://bücher.acme.com/', 'https://xn--bcher-kva.acme.com/'],
  ['https://my_hooks.acme.co.uk/', 'https://my_hooks.acme.co.uk/'],
  ['https://8.8.8.8/', 'https://8.8.8.8/'],
  ['https://[2606:4700:4700::1111]/', 'https://[2606:4700:4700::1111]/'],
] as const;

describe('the address of a webhook', () => {
  it.each(refused)('is refused as %s', (text) => {
    expect(() => webhookTarget(text)).toThrow(GuardError);
  });

  it.each(allowed)('may be %s', (text, read) => {
    expect(webhookTarget(text).href).toBe(read);
  });

  it('may have another port where the operator allows it', () => {
    expect(webhookTarget('https://hooks.acme.com:8443/', { ports: [8443] }).port).toBe('8443');
    expect(() => webhookTarget('https://hooks.acme.com:8444/', { ports: [8443] })).toThrow(/port 8444/);
  });

  it('may be held to a list of hosts, each for itself alone', () => {
    const policy = { hosts: ['Hooks.acme.com'] };
    expect(webhookTarget('https://hooks.acme.com./x', policy).pathname).toBe('/x');
    expect(() => webhookTarget('https://evil.hooks.acme.com/', policy)).toThrow(/not on the list/);
    expect(() => webhookTarget('https://hooks.acme.com.evil.com/', policy)).toThrow(/not on the list/);
    expect(() => webhookTarget('https://8.8.8.8/', policy)).toThrow(/not on the list/);
    // A list does not open the inside.
    expect(() => webhookTarget('https://10.0.0.1/', { hosts: ['10.0.0.1'] })).toThrow(/public network/);
  });

  it('may be on the own machine for a test, and there alone be plain http', () => {
    const policy = { loopback: true };
    expect(webhookTarget('http://127.0.0.1:8080/x', policy).port).toBe('8080');
    expect(webhookTarget('http://localhost:8080/x', policy).port).toBe('8080');
    expect(webhookTarget('http://[::1]:8080/x', policy).port).toBe('8080');
    expect(() => webhookTarget('http://10.0.0.1/', policy)).toThrow(/https/);
    expect(() => webhookTarget('https://10.0.0.1/', policy)).toThrow(/public network/);
    expect(() => webhookTarget('http://hooks.acme.com/', policy)).toThrow(/https/);
    expect(() => webhookTarget('ftp://127.0.0.1/', policy)).toThrow(/https/);
  });

  it('is refused with the reason, and without the credentials that it carries', () => {
    expect(() => webhookTarget('https://u:secret@a.com/')).toThrow(
      /^the webhook's address must not carry credentials$/,
    );
  });
});

describe('a public address', () => {
  it('is none where it is no address', () => {
    expect(isPublicAddress('hooks.acme.com')).toBe(false);
    expect(isPublicAddress('')).toBe(false);
  });
});
