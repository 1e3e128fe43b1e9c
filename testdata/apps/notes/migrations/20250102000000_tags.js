exports.up = async (knex) => {
  await knex.schema.alterTable('note', (table) => {
    table.specificType('tags', 'text[]').notNullable().defaultTo('{}');
  });
  await knex.raw('CREATE INDEX note_tags ON note USING gin (tags)');
};

exports.down = (knex) =>
  knex.schema.alterTable('note', (table) => {
    table.dropColumn('tags');
  });
