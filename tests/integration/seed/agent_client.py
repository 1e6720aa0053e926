# src/infrafabric/agent_client.py

import requests
from datetime import datetime
from typing import List

class AgentClient:
    """Client for agents to notify IF.notify server"""

    def __init__(self, session_id: str, capabilities: List[str], server_url: str = "http://localhost:8765"):
        self.session_id = session_id
        self.capabilities = capabilities
        self.server_url = server_url
        self.cost_spent = 0.0
        self.tasks_completed = 0

    def notify_idle(self, last_task: str = None):
        """Notify that agent is idle and ready for work"""
        payload = {
            "session_id": self.session_id,
            "status": "idle",
            "timestamp": datetime.utcnow().isoformat(),
            "last_task": last_task,
            "capabilities": self.capabilities,
            "cost_spent": self.cost_spent,
            "tasks_completed": self.tasks_completed,
            "waiting_since": datetime.utcnow().isoformat()
        }

        try:
            response = requests.post(f"{self.server_url}/agent/idle", json=payload, timeout=5)
            print(f"✓ Notified coordinator: IDLE")
            return response.json()
        except Exception as e:
            print(f"✗ Failed to notify coordinator: {e}")
            return None

    def notify_busy(self, task: str):
        """Notify that agent started working"""
        payload = {
            "session_id": self.session_id,
            "status": "busy",
            "timestamp": datetime.utcnow().isoformat(),
            "last_task": task,
            "capabilities": self.capabilities,
            "cost_spent": self.cost_spent,
            "tasks_completed": self.tasks_completed
        }

        try:
            response = requests.post(f"{self.server_url}/agent/busy", json=payload, timeout=5)
            print(f"✓ Notified coordinator: BUSY on {task}")
            return response.json()
        except Exception as e:
            print(f"✗ Failed to notify coordinator: {e}")
            return None

    def notify_blocked(self, reason: str):
        """Notify that agent is blocked"""
        payload = {
            "session_id": self.session_id,
            "status": "blocked",
            "timestamp": datetime.utcnow().isoformat(),
            "capabilities": self.capabilities,
            "message": reason
        }

        try:
            response = requests.post(f"{self.server_url}/agent/blocked", json=payload, timeout=5)
            print(f"✓ Notified coordinator: BLOCKED - {reason}")
            return response.json()
        except Exception as e:
            print(f"✗ Failed to notify coordinator: {e}")
            return None

    def notify_completed(self, task: str):
        """Notify that agent completed a task"""
        self.tasks_completed += 1

        payload = {
            "session_id": self.session_id,
            "status": "completed",
            "timestamp": datetime.utcnow().isoformat(),
            "last_task": task,
            "capabilities": self.capabilities,
            "cost_spent": self.cost_spent,
            "tasks_completed": self.tasks_completed
        }

        try:
            response = requests.post(f"{self.server_url}/agent/completed", json=payload, timeout=5)
            print(f"✓ Notified coordinator: COMPLETED {task}")
            return response.json()
        except Exception as e:
            print(f"✗ Failed to notify coordinator: {e}")
            return None

    def request_help(self, reason: str):
        """Request help from other agents"""
        payload = {
            "session_id": self.session_id,
            "status": "help",
            "timestamp": datetime.utcnow().isoformat(),
            "capabilities": self.capabilities,
            "message": reason
        }

        try:
            response = requests.post(f"{self.server_url}/agent/help", json=payload, timeout=5)
            print(f"✓ Requested help: {reason}")
            return response.json()
        except Exception as e:
            print(f"✗ Failed to request help: {e}")
            return None


# Usage in session startup:
if __name__ == "__main__":
    # Session 1 (NDI) example
    agent = AgentClient(
        session_id="session-1-ndi",
        capabilities=["video", "ndi", "streaming", "production"]
    )

    # Agent starts up
    agent.notify_idle()

    # Gets assigned a task
    agent.notify_busy("P0.1.2-coordinator-design")

    # Completes task
    agent.notify_completed("P0.1.2-coordinator-design")

    # Ready for next task (automatically marks as idle)
