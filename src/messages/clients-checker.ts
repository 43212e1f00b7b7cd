/** What the clients-checker is told. */
export type ClientsCheckerCommand =
  /** Walk the client table now rather than at the next tick. */
  { readonly type: 'check-now' };
