// app.mts: a Nest application behind the way in, on a server of its own.
import { readFileSync } from 'node:fs';
import { Controller, Delete, Get, Injectable, Module, Param } from '@nestjs/common';
import { APP_FILTER, NestFactory } from '@nestjs/core';
import type { InboundPeer } from 'meshfetch';
import {
  InjectMeshClient,
  MeshCaller,
  MeshExceptionFilter,
  MeshHealthIndicator,
  MeshModule,
  MeshPolicy,
  type MeshClient,
} from 'meshfetch/nestjs';

//#region provider
@Injectable()
class Stock {
  constructor(@InjectMeshClient('stock') private readonly stock: MeshClient) {}

  left(item: string): Promise<unknown> {
    return this.stock.json(`/items/${item}`); // with what is left of the caller's time, its criticality and its x-tenant
  }
}
//#endregion

//#region controller
@Controller('orders')
class OrdersController {
  constructor(private readonly stock: Stock) {}

  @Get(':id')
  order(@Param('id') id: string, @MeshCaller('peer') peer: InboundPeer) {
    return { order: id, for: peer.spiffeId };
  }

  @Get(':id/stock')
  left(@Param('id') id: string) {
    return this.stock.left(id);
  }

  @Delete(':id')
  @MeshPolicy({ identities: ['spiffe://example.org/admin'] })
  remove(@Param('id') id: string) {
    return { removed: id };
  }
}
//#endregion

//#region health
@Controller('health')
class HealthController {
  constructor(private readonly mesh: MeshHealthIndicator) {}

  @Get()
  check() {
    return this.mesh.isHealthy(); // or with @nestjs/terminus: this.health.check([() => this.mesh.isHealthy()])
  }
}
//#endregion

//#region module
@Module({
  imports: [MeshModule.forRoot({ controlPlane: 'mesh.yaml' }), MeshModule.forFeature('stock')],
  controllers: [OrdersController, HealthController],
  providers: [Stock, { provide: APP_FILTER, useExisting: MeshExceptionFilter }],
})
class AppModule {}
//#endregion

//#region bootstrap
const httpsOptions = {
  cert: readFileSync('certs/orders.pem'),
  key: readFileSync('certs/orders.key'),
  ca: readFileSync('certs/ca.pem'),
  requestCert: true, // or nobody has an identity
  rejectUnauthorized: true,
};
const app = await NestFactory.create(AppModule, { httpsOptions, logger: ['error', 'warn'] });
app.enableShutdownHooks();
await app.listen(7001, '127.0.0.1');
//#endregion
console.log('orders listens on 7001');
