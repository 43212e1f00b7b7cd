import fc from 'fast-check';

/** Text that an engine tells of, and in which a secret stands, in one of the forms that are known. */
export interface Planted {
  readonly text: string;
  readonly secret: string;
}

/** What no other text of a test holds. */
const MARK = 'zQ9';
const anySecret = fc.stringMatching(/^[A-Za-z0-9+/@#$%^*!~_.:=-]{0,24}$/).map((text) => `${MARK}${text}${MARK}`);
/** In a URL, some characters have to be escaped. */
const urlSecret = fc.stringMatching(/^[A-Za-z0-9+$%^*!~_.:=-]{0,24}$/).map((text) => `${MARK}${text}${MARK}`);
const quotedSecret = fc.stringMatching(/^[A-Za-z0-9 ,;|&/()-]{0,24}$/).map((text) => `${MARK} ${text}${MARK}`);

const optionName = fc.constantFrom(
  '--password',
  '--db-passwd',
  '-passphrase',
  '--token',
  '--api-key',
  '--apikey',
  '--client-secret',
  '-storepass',
  '--auth',
  '--privateKey',
  '--CREDENTIALS',
);
const variable = fc.constantFrom(
  'TOKEN',
  'GITHUB_TOKEN',
  'MYSQL_ROOT_PASSWORD',
  'MYSQL_PWD',
  'DB_PASS',
  'AWS_SECRET_ACCESS_KEY',
  'AWS_ACCESS_KEY_ID',
  'REDIS_AUTH',
  'signing_key',
  'Password',
);
const header = fc.constantFrom('X-Api-Key', 'X-Auth-Token', 'Private-Token', 'x-amz-security-token');
const scheme = fc.constantFrom('Bearer', 'Basic', 'token', 'bearer');

/** The form of a text with a secret in it, for a secret of each kind. */
const forms: readonly fc.Arbitrary<Planted>[] = [
  planted(anySecret, optionName, (secret, name) => `tool ${name} ${secret} --verbose`),
  planted(anySecret, optionName, (secret, name) => `tool ${name}=${secret} x`),
  planted(quotedSecret, optionName, (secret, name) => `sh -c "tool ${name} '${secret}' x"`),
  planted(quotedSecret, optionName, (secret, name) => `tool ${name}="${secret}" x`),
  planted(anySecret, variable, (secret, name) => `sh -c ${name}=${secret} exec run`),
  planted(anySecret, variable, (secret, name) => `docker run -e ${name}=${secret} --env=OTHER=1 image`),
  planted(quotedSecret, variable, (secret, name) => `env '${name}=${secret}' run`),
  planted(quotedSecret, variable, (secret, name) => `sh -c '${name}="${secret}" run'`),
  planted(anySecret, variable, (secret, name) => `${name}: ${secret}`),
  planted(quotedSecret, variable, (secret, name) => `{"a":1,"${name}":"${secret}","b":[2]}`),
  planted(quotedSecret, variable, (secret, name) => `echo {\\"${name}\\": \\"${secret}\\", \\"b\\": 1}`),
  planted(anySecret, scheme, (secret, name) => `curl -H Authorization: ${name} ${secret} http://host/`),
  planted(quotedSecret, scheme, (secret, name) => `curl -H 'Authorization: ${name} ${secret}' http://host/`),
  planted(quotedSecret, fc.constantFrom('Authorization', 'Cookie'), (secret, name) => `curl -H ${name}: ${secret}`),
  planted(anySecret, header, (secret, name) => `curl -H ${name}: ${secret} http://host/`),
  planted(quotedSecret, header, (secret, name) => `curl -H "${name}: ${secret}" http://host/`),
  planted(
    urlSecret,
    fc.constantFrom('https', 'postgres', 'amqp+ssl'),
    (secret, name) => `x ${name}://me:${secret}@host/y`,
  ),
  planted(urlSecret, fc.constantFrom('redis', 'https'), (secret, name) => `url=${name}://:${secret}@host:6379`),
  planted(anySecret, fc.constantFrom('token', 'api_key'), (secret, name) => `get http://host/?a=b&${name}=${secret}`),
  planted(
    anySecret,
    fc.constantFrom('PASSWORD', 'IDENTIFIED BY'),
    (secret, name) => `alter user x ${name} '${secret}'`,
  ),
];

/** Only commands have these. */
const commandForms: readonly fc.Arbitrary<Planted>[] = [
  planted(
    anySecret,
    fc.constantFrom('mysql', '/usr/bin/mysqldump', 'mariadb-admin'),
    (secret, name) => `${name} -u root -p${secret} db`,
  ),
  planted(
    anySecret,
    fc.constantFrom('mongosh', 'sshpass', 'docker login', 'cqlsh'),
    (secret, name) => `${name} -p ${secret} x`,
  ),
  planted(
    anySecret,
    fc.constantFrom('redis-cli', '/bin/valkey-cli'),
    (secret, name) => `${name} -h x -a ${secret} ping`,
  ),
  planted(
    anySecret,
    fc.constantFrom('-u', '--user', '-sSu'),
    (secret, name) => `curl ${name} me:${secret} http://host/`,
  ),
];

export const plantedText: fc.Arbitrary<Planted> = fc.oneof(...forms);
export const plantedCommand: fc.Arbitrary<Planted> = fc.oneof(...forms, ...commandForms);

/** A label that is called like a secret. */
export const plantedLabel: fc.Arbitrary<readonly [key: string, value: string]> = fc.tuple(
  fc.constantFrom('db.password', 'com.example/api-key', 'TOKEN', 'traefik.http.middlewares.a.basicauth.users', 'auth'),
  fc.oneof(anySecret, quotedSecret),
);

/** No byte of this may be anywhere. */
export const SECRET_MARK = MARK;

function planted(
  secret: fc.Arbitrary<string>,
  name: fc.Arbitrary<string>,
  write: (secret: string, name: string) => string,
): fc.Arbitrary<Planted> {
  return fc.tuple(secret, name).map(([value, called]) => ({ text: write(value, called), secret: value }));
}
