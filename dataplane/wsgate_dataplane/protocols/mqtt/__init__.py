"""MQTT 3.1, 3.1.1 and 5: CONNECT read and written anew, refusals, packets followed through a session. Pure."""
