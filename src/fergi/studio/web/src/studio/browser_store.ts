const DATABASE = "fergi-studio";
const VERSION = 1;

/** What waits in this browser, by store. */
export const STORES = ["clips", "neutrals"] as const;
export type StoreName = (typeof STORES)[number];

/** Values by key that outlast a closed tab (IndexedDB). */
export class BrowserStore<Value> {
  constructor(private readonly name: StoreName) {}

  async get(key: string): Promise<Value | undefined> {
    return this.#do("readonly", (store) => store.get(key) as IDBRequest<Value | undefined>);
  }

  async put(key: string, value: Value): Promise<void> {
    await this.#do("readwrite", (store) => store.put(value, key));
  }

  async remove(key: string): Promise<void> {
    await this.#do("readwrite", (store) => store.delete(key));
  }

  /** Lists the keys that begin so, in their order. */
  async keys(beginning: string): Promise<string[]> {
    const keys = await this.#do("readonly", (store) => store.getAllKeys());
    return keys.filter((key): key is string => typeof key === "string" && key.startsWith(beginning));
  }

  async #do<Result>(mode: IDBTransactionMode, act: (store: IDBObjectStore) => IDBRequest<Result>): Promise<Result> {
    const database = await opened();
    try {
      const transaction = database.transaction(this.name, mode, { durability: "strict" });
      const result = settled(act(transaction.objectStore(this.name)));
      await Promise.all([result, completed(transaction)]);
      return await result;
    } finally {
      database.close();
    }
  }
}

function opened(): Promise<IDBDatabase> {
  const request = indexedDB.open(DATABASE, VERSION);
  request.onupgradeneeded = () => {
    for (const name of STORES) request.result.createObjectStore(name);
  };
  return settled(request);
}

function settled<Result>(request: IDBRequest<Result>): Promise<Result> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => {
      resolve(request.result);
    };
    request.onerror = () => {
      reject(request.error ?? new Error("the browser's storage failed"));
    };
  });
}

function completed(transaction: IDBTransaction): Promise<void> {
  return new Promise((resolve, reject) => {
    transaction.oncomplete = () => {
      resolve();
    };
    transaction.onabort = () => {
      reject(transaction.error ?? new Error("the browser's storage is full"));
    };
  });
}
