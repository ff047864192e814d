import grpc from '@grpc/grpc-js';
import { createMesh } from 'meshfetch';
import { Readable } from 'node:stream';
const id=b=>b;
const m=(path,rs,ws)=>({path,requestStream:rs,responseStream:ws,requestSerialize:id,requestDeserialize:id,responseSerialize:id,responseDeserialize:id});
const svc={unary:m('/bench.Echo/Unary',false,false),down:m('/bench.Echo/Down',false,true),bidi:m('/bench.Echo/Bidi',true,true)};
const Client=grpc.makeGenericClientConstructor(svc,'bench.Echo');
const x=grpc.experimental;
const port=Number(process.env.PORT);
let dispatcher;
import {meshChannelCredentials} from 'meshfetch/grpc';

const fs=await import('node:fs');
fs.writeFileSync('/tmp/spike/meshA.yaml',`services:\n  echo:\n    endpoints: [127.0.0.1:${port}]\n    protocol: http2\n`);
const mesh2=await createMesh({controlPlane:'file:/tmp/spike/meshA.yaml'});
dispatcher=mesh2.dispatcher;
const opts=process.env.NORETRY?{'grpc.enable_retries':0}:{};
const clients={plain:new Client('127.0.0.1:'+port,grpc.credentials.createInsecure(),opts),mesh:new Client('mesh:///echo',meshChannelCredentials(mesh2),opts)};
const unary=(c,b)=>new Promise((y,n)=>c.unary(b,(e,r)=>e?n(e):y(r)));
const down=(c)=>new Promise((y,n)=>{let t=0;const s=c.down(Buffer.alloc(1));s.on('data',d=>t+=d.length);s.on('end',()=>y(t));s.on('error',n)});
const bidi=(c)=>new Promise((y,n)=>{const s=c.bidi();let k=0;s.on('data',d=>{if(++k<5)s.write(Buffer.from('m'+k));else s.end()});s.on('end',()=>y(k));s.on('error',n);s.write(Buffer.from('m0'))});
const msg=Buffer.alloc(100,7);
for(const k of Object.keys(clients)){console.log(k,(await unary(clients[k],msg)).length,await down(clients[k]),await bidi(clients[k]))}
async function run(c,n,conc,fn){let left=n;await Promise.all(Array.from({length:conc},async()=>{while(left-->0)await fn(c)}))}
for(const conc of [1,64]) for(const [nm,fn,n] of [['unary',c=>unary(c,msg),8000],['1MB',down,conc==1?100:200]]){
 const res={plain:[],mesh:[]};
 for(let r=0;r<6;r++)for(const k of (r%2?['plain','mesh']:['mesh','plain'])){const u=process.cpuUsage();await run(clients[k],n,Math.min(conc,nm=='1MB'?8:conc),fn);const d=process.cpuUsage(u);if(r)res[k].push((d.user+d.system)/n)}
 const med=a=>a.sort((x,y)=>x-y)[a.length>>1];
 console.log(conc,nm,'plain',med(res.plain).toFixed(1),'mesh',med(res.mesh).toFixed(1),'ratio',(med(res.mesh)/med(res.plain)).toFixed(3));
}
process.exit();
