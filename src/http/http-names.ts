/**
 * The methods and the names of statuses that node:http knows. An `import` of it would load all that it offers, a whole
 * client for fetch and WebSocket among it, which would take 13 MB from every gateway.
 */
export const { METHODS, STATUS_CODES } = process.getBuiltinModule('node:http');
