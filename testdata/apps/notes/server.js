// A JSON API over the notes: GET /notes, POST /notes {"title", "body"}, GET /healthz.
const http = require('node:http');
const knex = require('knex')(require('./knexfile'));

const maxBody = 64 * 1024;

async function read(request) {
  let text = '';
  for await (const chunk of request) {
    text += chunk;
    if (text.length > maxBody) throw Object.assign(new Error('the note is too long'), { status: 413 });
  }
  try {
    return JSON.parse(text);
  } catch {
    throw Object.assign(new Error('the body is not JSON'), { status: 400 });
  }
}

async function answer(request) {
  switch (`${request.method} ${request.url}`) {
    case 'GET /healthz':
      await knex.raw('select 1');
      return [200, { ok: true }];
    case 'GET /notes':
      return [200, await knex('note').orderBy('id')];
    case 'POST /notes': {
      const { title, body = '' } = await read(request);
      if (typeof title !== 'string' || title === '') return [400, { error: 'title is missing' }];
      const [note] = await knex('note').insert({ title, body }).returning('*');
      return [201, note];
    }
    default:
      return [404, { error: 'no such page' }];
  }
}

const server = http.createServer(async (request, response) => {
  let status, value;
  try {
    [status, value] = await answer(request);
  } catch (error) {
    console.error(error.message);
    [status, value] = [error.status ?? 500, { error: error.status ? error.message : 'that did not work, see the log' }];
  }
  response.writeHead(status, { 'Content-Type': 'application/json' }).end(JSON.stringify(value) + '\n');
});

server.listen(Number(process.env.PORT ?? 3000), process.env.HOST);
for (const signal of ['SIGINT', 'SIGTERM']) {
  process.on(signal, () => server.close(() => knex.destroy()));
}
