# src/infrafabric/coordinator_monitor.py

import asyncio
import requests
from rich.console import Console
from rich.table import Table
from rich.live import Live
from datetime import datetime

console = Console()

class CoordinatorMonitor:
    """Real-time dashboard for coordinator to monitor all agents"""

    def __init__(self, server_url: str = "http://localhost:8765"):
        self.server_url = server_url

    def get_agent_status(self):
        """Get current status of all agents"""
        try:
            response = requests.get(f"{self.server_url}/status", timeout=5)
            return response.json()
        except Exception as e:
            return {"error": str(e)}

    def display_dashboard(self):
        """Display real-time agent dashboard"""
        status = self.get_agent_status()

        table = Table(title="IF.notify Agent Status Dashboard")
        table.add_column("Session", style="cyan")
        table.add_column("Status", style="magenta")
        table.add_column("Last Task", style="green")
        table.add_column("Tasks Done", style="blue")
        table.add_column("Cost", style="yellow")
        table.add_column("Waiting Since", style="red")

        if "agents" in status:
            for session_id, agent in status["agents"].items():
                status_emoji = {
                    "idle": "🟢 IDLE",
                    "busy": "🔵 BUSY",
                    "blocked": "🔴 BLOCKED",
                    "completed": "✅ DONE"
                }.get(agent["status"], "⚪ UNKNOWN")

                table.add_row(
                    session_id,
                    status_emoji,
                    agent.get("last_task", "N/A"),
                    str(agent.get("tasks_completed", 0)),
                    f"${agent.get('cost_spent', 0):.2f}",
                    agent.get("waiting_since", "N/A")
                )

        table.add_row("", "", "", "", "", "")
        table.add_row(
            f"TOTAL: {status.get('total_agents', 0)}",
            f"IDLE: {status.get('idle_agents', 0)}",
            "",
            "",
            "",
            ""
        )

        return table

    async def monitor_live(self, refresh_interval: int = 2):
        """Live monitoring dashboard with auto-refresh"""
        with Live(self.display_dashboard(), refresh_per_second=1) as live:
            while True:
                await asyncio.sleep(refresh_interval)
                live.update(self.display_dashboard())


if __name__ == "__main__":
    monitor = CoordinatorMonitor()

    # Option 1: Single status check
    console.print(monitor.display_dashboard())

    # Option 2: Live monitoring (runs continuously)
    # asyncio.run(monitor.monitor_live(refresh_interval=2))
