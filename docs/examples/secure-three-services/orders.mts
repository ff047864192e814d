// orders.mts: a Nest application that answers with an order; asks stock for the item.
import { Controller, Delete, Get, Injectable, Module, Param } from '@nestjs/common';
import { APP_FILTER, NestFactory } from '@nestjs/core';
import type { Mesh, MeshRequest } from 'meshfetch';
import { InjectMeshClient, MeshCaller, MeshExceptionFilter, MeshModule, meshToken, type MeshClient } from 'meshfetch/nestjs';

@Injectable()
class Stock {
  constructor(@InjectMeshClient('stock') private readonly client: MeshClient) {}

  left(item: string): Promise<unknown> {
    return this.client.json(`/items/${item}`);
  }
}

@Controller('orders')
class OrdersController {
  constructor(private readonly stock: Stock) {}

  @Get(':id')
  async order(@Param('id') id: string, @MeshCaller() caller: MeshRequest) {
    return { order: id, askedBy: caller.peer.spiffeId, stock: await this.stock.left('42') };
  }

  @Delete(':id')
  remove(@Param('id') id: string) {
    return { removed: id };
  }
}

@Module({
  // `inbound: false`, because mesh.listen below is the way in.
  imports: [MeshModule.forRoot({ controlPlane: 'orders.yaml', inbound: false }), MeshModule.forFeature('stock')],
  controllers: [OrdersController],
  // What we need and cannot reach becomes a 503 or 504, without a word of what is behind us.
  providers: [Stock, { provide: APP_FILTER, useExisting: MeshExceptionFilter }],
})
class OrdersModule {}

const app = await NestFactory.create(OrdersModule, { logger: ['error', 'warn'] });
app.enableShutdownHooks(); // SIGTERM and Ctrl-C close the application, and that closes its mesh
await app.init();
await app.get<Mesh>(meshToken).listen(app.getHttpAdapter().getInstance(), { port: 7002, host: '127.0.0.1' });
console.log('orders listens on 7002');
