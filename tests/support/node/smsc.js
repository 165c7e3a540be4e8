// An SMSC made of npm's `smpp`: prints its port, then one line of JSON for each submit_sm.
// Answers with hexadecimal ids and sends a receipt with the decimal one.
const smpp = require('smpp');

let next = 0xabc0;
const server = smpp.createServer((session) => {
  session.on('error', () => session.close());
  session.on('bind_transceiver', (pdu) => {
    const known = pdu.system_id === 'user' && pdu.password === 'pass';
    session.send(pdu.response(known ? {} : { command_status: smpp.ESME_RBINDFAIL }));
  });
  session.on('enquire_link', (pdu) => session.send(pdu.response()));
  session.on('unbind', (pdu) => { session.send(pdu.response()); session.close(); });
  session.on('submit_sm', (pdu) => {
    const id = next++;
    const short = pdu.short_message.message;
    const content = pdu.message_payload ? pdu.message_payload.message || pdu.message_payload : short;
    console.log(JSON.stringify({
      to: pdu.destination_addr,
      ton: pdu.dest_addr_ton,
      from: pdu.source_addr,
      fromTon: pdu.source_addr_ton,
      validity: pdu.validity_period,
      coding: pdu.data_coding,
      registered: pdu.registered_delivery,
      udh: pdu.short_message.udh ? pdu.short_message.udh.map((part) => part.toString('hex')) : [],
      text: content.toString(),
    }));
    session.send(pdu.response({ message_id: id.toString(16) }));
    session.deliver_sm({
      source_addr: pdu.destination_addr,
      destination_addr: pdu.source_addr,
      esm_class: 4,
      short_message: `id:${id} sub:001 dlvrd:001 submit date:2601150912 done date:2601150912 stat:DELIVRD err:000 text:`,
    });
  });
});
server.listen(0, '127.0.0.1', () => console.log(server.address().port));
