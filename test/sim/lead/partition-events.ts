import { healthyLink, type LinkFaults } from '../link.ts';
import { type LeadEvent, someFaultMs, toMember } from './lead-event.ts';

// What comes between an agent, Consul, a server, and those of the other members: each pair by itself, and a whole host.

/** The longest time after which Consul's own client may send once more what was carried out already. */
const repeatedWithinMs = 7_000;

export const consulLinkFails = toMember((world, random, member) => {
  const faults = random.pick<Partial<LinkFaults>>([
    { mode: 'cut' },
    { mode: 'black_hole' },
    { mode: 'black_hole' },
    { maxTripMs: 800 },
    { maxTripMs: 6_000 },
    { lostAnswers: 0.3 },
    { lostAnswers: 0.9 },
    { duplicated: 0.3, maxTripMs: 100 },
    { duplicated: 0.3, repeatedWithinMs },
    { answersTakeMs: 1_500 },
    { answersTakeMs: 2_500 },
    { isMute: true },
  ]);
  world.trace.add(member.name, `way to Consul: ${JSON.stringify(faults)}`);
  Object.assign(member.consulLink, healthyLink(), faults);
  if (faults.mode === 'cut') world.consul.resetConnections(member.consulLink);
  world.time.in(someFaultMs(random), () => {
    Object.assign(member.consulLink, healthyLink());
  });
});

/** Neither Consul nor another server is reached from there, and nobody says so. */
export const hostCutOff = toMember((world, random, member) => {
  const stream = world.cluster.streams.get(member.name);
  if (stream === undefined) return;
  world.trace.add(member.name, 'host is cut off');
  member.consulLink.mode = 'black_hole';
  member.isAlone = true;
  stream.broken = true;
  world.time.in(someFaultMs(random), () => {
    world.trace.add(member.name, 'host is reached again');
    member.consulLink.mode = 'ok';
    member.isAlone = false;
    stream.broken = false;
  });
});

export const serverLinkFails = toMember((world, random, member) => {
  const faults = random.pick<Partial<LinkFaults>>([
    { mode: 'cut' },
    { mode: 'black_hole' },
    { maxTripMs: 1_500 },
    { lostAnswers: 0.3 },
    { duplicated: 0.3 },
  ]);
  world.trace.add(member.name, `way to its server: ${JSON.stringify(faults)}`);
  Object.assign(member.serverLink, healthyLink(), faults);
  world.time.in(someFaultMs(random), () => {
    Object.assign(member.serverLink, healthyLink());
  });
});

export const streamBreaks = toMember((world, random, member) => {
  const stream = world.cluster.streams.get(member.name);
  if (stream === undefined) return;
  const isSlow = random.chance(0.4);
  world.trace.add(member.name, isSlow ? 'replay is slow' : 'is cut off from the other servers');
  if (isSlow) stream.replayEveryPulls = random.int(10, 100);
  else {
    if (member.host.server.streaming) world.tally.count('streams cut');
    stream.broken = true;
  }
  world.time.in(someFaultMs(random), () => {
    Object.assign(stream, { broken: false, replayEveryPulls: 1 });
  });
});

/** Two servers do not reach each other, whoever else reaches either. */
export const serversApart: LeadEvent = (world, random) => {
  const pair = world.somePair(random);
  world.trace.add('network', `the servers of ${pair.join(' and ')} do not reach each other`);
  const servers = pair.map((name) => world.member(name).host.server);
  if (servers.some(({ streaming, upstream }) => streaming && servers.includes(upstream!)))
    world.tally.count('streams cut between two');
  world.cluster.apart.part(...pair);
  world.time.in(someFaultMs(random), () => {
    world.cluster.apart.join(...pair);
  });
};

/** Two agents do not reach each other, whoever else reaches either. */
export const agentsApart: LeadEvent = (world, random) => {
  const pair = world.somePair(random);
  world.trace.add('network', `the agents of ${pair.join(' and ')} do not reach each other`);
  world.agentsApart.part(...pair);
  world.time.in(someFaultMs(random), () => {
    world.agentsApart.join(...pair);
  });
};

/** No other agent reaches this one, whoever else does. */
export const memberAlone = toMember((world, random, member) => {
  world.trace.add(member.name, 'no other agent reaches it');
  member.isAlone = true;
  world.time.in(someFaultMs(random), () => {
    member.isAlone = false;
  });
});
