/** The studio refused; `kind` is the end of the problem's type, the message is for people. */
export class Refusal extends Error {
  constructor(
    readonly status: number,
    readonly kind: string,
    detail: string,
  ) {
    super(detail);
  }
}

/** The studio cannot be reached, or is not able to answer now. */
export class Unreachable extends Error {
  /**
   * @param wait Seconds that the studio asks to wait; null where it did not say.
   */
  constructor(readonly wait: number | null) {
    super("the studio cannot be reached");
  }
}

const FOR_NOW = new Set([408, 429, 500, 502, 503, 504]);
const LONGEST_PAUSE_SECONDS = 10;

type ConnectionListener = (isLost: boolean) => void;
const listeners = new Set<ConnectionListener>();
let waiting = 0;

/** Calls back when the studio cannot be reached, and when it can be again. */
export function followConnection(listen: ConnectionListener): void {
  listeners.add(listen);
}

function count(change: 1 | -1): void {
  waiting += change;
  for (const listen of listeners) listen(waiting > 0);
}

/** Sends one request.
 *
 * @throws Refusal If the studio does not accept it.
 * @throws Unreachable If it is worth to send it again.
 */
export async function request(address: string, init: RequestInit = {}): Promise<Response> {
  let response: Response;
  try {
    response = await fetch(address, init);
  } catch {
    throw new Unreachable(null);
  }
  if (response.ok) return response;
  if (FOR_NOW.has(response.status)) throw new Unreachable(Number(response.headers.get("Retry-After")) || null);
  throw await refusal(response);
}

/** Sends a request with a body of JSON, and again after growing pauses until the studio answers. */
export async function send<Answer>(method: string, address: string, body?: unknown): Promise<Answer> {
  const init: RequestInit =
    body === undefined
      ? { method }
      : { method, headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) };
  const response = await persistently(() => request(address, init));
  return (response.status === 204 ? undefined : await response.json()) as Answer;
}

/** Repeats what cannot reach the studio, after growing pauses or when the connection is back. */
export async function persistently<Result>(attempt: () => Promise<Result>): Promise<Result> {
  let tries = 0;
  try {
    for (;;) {
      try {
        return await attempt();
      } catch (error) {
        if (!(error instanceof Unreachable)) throw error;
        if (tries === 0) count(1);
        await pause(error.wait ?? Math.min(LONGEST_PAUSE_SECONDS, 0.5 * 2 ** tries));
        tries++;
      }
    }
  } finally {
    if (tries > 0) count(-1);
  }
}

/** Waits; a connection that comes back ends it. */
async function pause(seconds: number): Promise<void> {
  // Not all browsers that wait must come back at once.
  const milliseconds = 1000 * seconds * (0.75 + 0.5 * Math.random());
  await new Promise<void>((resolve) => {
    const done = (): void => {
      clearTimeout(timer);
      removeEventListener("online", done);
      resolve();
    };
    const timer = setTimeout(done, milliseconds);
    addEventListener("online", done);
  });
}

async function refusal(response: Response): Promise<Refusal> {
  const problem = (await response.json().catch(() => ({}))) as { type?: string; detail?: string; title?: string };
  const kind = problem.type?.split(":").at(-1) ?? "unknown";
  return new Refusal(response.status, kind, problem.detail ?? problem.title ?? response.statusText);
}
