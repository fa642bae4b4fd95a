"""Places orders one by one and in a batch, and waits until all are counted: `python order_asyncio.py [host:port]`."""

import asyncio
import sys

from ordermesh_client import AsyncClient, NewOrder, OrderItem, ReconcileResponse


async def main() -> None:
    """Run the example."""
    items = [OrderItem(product_id="p1", quantity=2, price=10), OrderItem(product_id="p2", quantity=1, price=50)]
    async with AsyncClient(*sys.argv[1:2]) as client:
        orders = await asyncio.gather(*(client.create_order(f"cust-{number}", items) for number in range(100)))
        results = await client.create_orders(NewOrder(f"cust-{number}", items) for number in range(100))
        print(len(orders), "orders one by one,", sum(result.order is not None for result in results), "in one call")
        while (proof := await client.reconcile()).verdict == ReconcileResponse.IN_FLIGHT:
            print(proof.summary)
        print(ReconcileResponse.Verdict.Name(proof.verdict), "-", proof.summary)


asyncio.run(main())
