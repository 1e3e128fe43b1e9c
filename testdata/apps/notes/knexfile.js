// knex keeps its own tables beside the application's, where the REST API does not serve them.
module.exports = {
  client: 'pg',
  connection: process.env.DATABASE_URL,
  migrations: {
    directory: './migrations',
    schemaName: process.env.DATABASE_MIGRATIONS_SCHEMA,
  },
};
