import { join } from 'node:path';
import type { PostgresServer } from './postgres-server.ts';
import type { Setting } from './postgres-options.ts';

/** The settings of every server of a sandbox; those that a test gives go over them. */
export function serverSettings(
  server: Pick<PostgresServer, 'host' | 'port' | 'home' | 'auth'>,
): Readonly<Record<string, Setting>> {
  return {
    listen_addresses: server.host,
    port: server.port,
    unix_socket_directories: server.home,
    wal_level: 'logical',
    hot_standby: true,
    max_connections: 60,
    max_wal_senders: 20,
    max_replication_slots: 20,
    max_worker_processes: 16,
    wal_keep_size: '64MB',
    // PostgreSQL's own 5 s are spent waiting whenever a standby finds its upstream gone for a moment
    wal_retrieve_retry_interval: '500ms',
    // so that pg_rewind can be used
    wal_log_hints: true,
    shared_buffers: '16MB',
    // files in the data directory instead of segments that a killed server leaves in the system
    dynamic_shared_memory_type: 'mmap',
    // by its own collector, so that the log goes on in one place when an agent starts it instead of us
    logging_collector: true,
    log_directory: join(server.home, 'log'),
    log_filename: 'postgres.log',
    log_rotation_age: 0,
    log_rotation_size: 0,
    log_line_prefix: '%m [%p] %b ',
    log_replication_commands: true,
    timezone: 'UTC',
    log_timezone: 'UTC',
    lc_messages: 'C',
    ...(server.auth === 'trust' ? {} : { password_encryption: server.auth }),
  };
}

/** A line of postgresql.conf. */
export function settingLine(name: string, value: Setting): string {
  const text = typeof value === 'boolean' ? (value ? 'on' : 'off') : String(value);
  return `${name} = '${text.replaceAll('\\', '\\\\').replaceAll("'", "''")}'`;
}

/** A value in a connection string of libpq. */
export function quoteForLibpq(value: string): string {
  return `'${value.replaceAll(/[\\']/g, '\\$&')}'`;
}
