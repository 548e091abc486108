/** The SQLSTATEs on which slotkeeper decides something, by the names that PostgreSQL gives them (`errcodes.txt`). */
export const sqlstate = {
  featureNotSupported: '0A000',
  transactionTimeout: '25P04',
  undefinedObject: '42704',
  duplicateObject: '42710',
  insufficientPrivilege: '42501',
  tooManyConnections: '53300',
  objectNotInPrerequisiteState: '55000',
  objectInUse: '55006',
  queryCanceled: '57014',
  adminShutdown: '57P01',
  crashShutdown: '57P02',
  cannotConnectNow: '57P03',
  undefinedFile: '58P01',
} as const;
