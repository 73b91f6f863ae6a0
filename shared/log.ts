// One line of JSON an event, the same in Node and in workerd.

/** Severity of a log line. */
export type LogLevel = 'debug' | 'info' | 'warn' | 'error';

/** Writes one event with its fields as a line of JSON; an Error field is written as its name, message and cause. */
export function log(level: LogLevel, event: string, fields: Readonly<Record<string, unknown>> = {}): void {
  const line = JSON.stringify(
    { at: new Date().toISOString(), level, event, ...fields },
    (_key, value: unknown) =>
      value instanceof Error ? { name: value.name, message: value.message, cause: value.cause } : value,
  );
  (level === 'error' || level === 'warn' ? console.error : console.log)(line);
}
