/** Whether a signature of a message holds. */
export type CheckSignature = (message: Uint8Array, signature: Uint8Array) => boolean;
