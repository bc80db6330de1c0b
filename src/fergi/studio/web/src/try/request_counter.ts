/** Counts what the page asks of any machine, so that it can show that it asks nothing. */
export class RequestCounter {
  #count = 0;
  readonly #observer: PerformanceObserver;

  constructor(counted: (count: number) => void) {
    this.#observer = new PerformanceObserver((list) => {
      this.#count += list.getEntries().length;
      counted(this.#count);
    });
  }

  /** Begins to count, at zero. */
  start(): void {
    this.#observer.observe({ type: "resource", buffered: false });
  }

  stop(): void {
    this.#observer.disconnect();
  }
}
