exports.up = (knex) =>
  knex.schema.createTable('note', (table) => {
    table.bigIncrements('id');
    table.text('title').notNullable();
    table.text('body').notNullable().defaultTo('');
    table.timestamp('created_at').notNullable().defaultTo(knex.fn.now());
  });

exports.down = (knex) => knex.schema.dropTable('note');
