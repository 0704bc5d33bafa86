"""What the official clients send in one conversation with two tools: the bodies of their requests, as JSON.

A server on loopback answers with the answers of the file that is named first, and what was sent to it is
written to the second. `cargo xtask oracle` runs this and holds it against what the runners send.
"""

import json
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import anthropic
import openai
from anthropic import beta_tool
from pydantic import BaseModel, Field

INSTRUCTIONS = "Be brief."
QUESTION = "How is the weather in Paris, and what is 2 + 3?"


class GetWeather(BaseModel):
    city: str = Field(description="The name of the city.")


class Add(BaseModel):
    a: int
    b: int


class Answer(BaseModel):
    text: str


def get_weather(city: str) -> str:
    """Says how the weather is.

    Args:
        city: The name of the city.
    """
    return f"Sunny, 21C in {city}"


def add(a: int, b: int) -> str:
    """Adds two numbers."""
    return str(a + b)


def tool(name: str, arguments: str) -> str:
    return {"get_weather": get_weather, "add": add}[name](**json.loads(arguments))


OPENAI_TOOLS = [
    openai.pydantic_function_tool(GetWeather, name="get_weather", description="Says how the weather is."),
    openai.pydantic_function_tool(Add, name="add", description="Adds two numbers."),
]


def chat(url: str, **more) -> None:
    client = openai.OpenAI(api_key="key", base_url=f"{url}/v1", max_retries=0)
    messages = [{"role": "system", "content": INSTRUCTIONS}, {"role": "user", "content": QUESTION}]
    while True:
        completion = client.chat.completions.parse(
            model="gpt-oracle", messages=messages, tools=OPENAI_TOOLS, **more
        )
        message = completion.choices[0].message
        if not message.tool_calls:
            return
        messages.append(message)
        for call in message.tool_calls:
            output = tool(call.function.name, call.function.arguments)
            messages.append({"role": "tool", "tool_call_id": call.id, "content": output})


def responses(url: str, **more) -> None:
    client = openai.OpenAI(api_key="key", base_url=f"{url}/v1", max_retries=0)
    items = [{"role": "user", "content": QUESTION}]
    while True:
        response = client.responses.parse(
            model="gpt-oracle",
            instructions=INSTRUCTIONS,
            input=items,
            tools=OPENAI_TOOLS,
            store=False,
            include=["reasoning.encrypted_content"],
            **more,
        )
        calls = [item for item in response.output if item.type == "function_call"]
        if not calls:
            return
        items += response.output
        for call in calls:
            output = tool(call.name, call.arguments)
            items.append({"type": "function_call_output", "call_id": call.call_id, "output": output})


def messages(url: str, **more) -> None:
    client = anthropic.Anthropic(api_key="key", base_url=url, max_retries=0)
    runner = client.beta.messages.tool_runner(
        model="claude-oracle",
        max_tokens=1000,
        system=INSTRUCTIONS,
        messages=[{"role": "user", "content": QUESTION}],
        tools=[beta_tool(get_weather), beta_tool(add)],
        thread=False,
        **more,
    )
    runner.until_done()


def chat_streamed(url: str) -> None:
    client = openai.OpenAI(api_key="key", base_url=f"{url}/v1", max_retries=0)
    messages = [{"role": "system", "content": INSTRUCTIONS}, {"role": "user", "content": QUESTION}]
    usage = {"include_usage": True}
    with client.chat.completions.stream(
        model="gpt-oracle", messages=messages, tools=OPENAI_TOOLS, stream_options=usage
    ):
        pass


def responses_streamed(url: str) -> None:
    client = openai.OpenAI(api_key="key", base_url=f"{url}/v1", max_retries=0)
    with client.responses.stream(
        model="gpt-oracle",
        instructions=INSTRUCTIONS,
        input=[{"role": "user", "content": QUESTION}],
        tools=OPENAI_TOOLS,
        store=False,
        include=["reasoning.encrypted_content"],
    ):
        pass


def messages_streamed(url: str) -> None:
    client = anthropic.Anthropic(api_key="key", base_url=url, max_retries=0)
    with client.beta.messages.stream(
        model="claude-oracle",
        max_tokens=1000,
        system=INSTRUCTIONS,
        messages=[{"role": "user", "content": QUESTION}],
        tools=[beta_tool(get_weather).to_dict(), beta_tool(add).to_dict()],
    ):
        pass


class Recorder(BaseHTTPRequestHandler):
    """Answers in order; behind the last answer, with an error."""

    answers: list = []
    bodies: list = []

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        turn = len(self.bodies)
        self.bodies.append(body)
        is_known = turn < len(self.answers)
        answer = json.dumps(self.answers[turn] if is_known else {"error": {"message": "no more"}}).encode()
        self.send_response(200 if is_known else 500)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_):
        pass


def record(talk, answers: list, **more) -> list:
    handler = type("Handler", (Recorder,), {"answers": answers, "bodies": []})
    server = HTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        talk(f"http://127.0.0.1:{server.server_port}", **more)
    except (openai.InternalServerError, anthropic.InternalServerError):
        # A request that streams has no answer here: only what it asks is looked at.
        assert not answers
    finally:
        server.shutdown()
        server.server_close()
    return handler.bodies


def of_a_form(answers: list) -> list:
    """The last answer, with a text that has the form."""
    return [json.loads(json.dumps(answers[-1]).replace("Sunny, and 5.", '{\\"text\\": \\"Sunny\\"}'))]


def main(answers_file: str, bodies_file: str) -> None:
    with open(answers_file) as file:
        answers = json.load(file)
    bodies = {
        "versions": {"openai": openai.__version__, "anthropic": anthropic.__version__},
        "chat": record(chat, answers["chat"]),
        "responses": record(responses, answers["responses"]),
        "messages": record(messages, answers["messages"]),
        "chat streamed": record(chat_streamed, []),
        "responses streamed": record(responses_streamed, []),
        "messages streamed": record(messages_streamed, []),
        "chat of a form": record(chat, of_a_form(answers["chat"]), response_format=Answer),
        "responses of a form": record(responses, of_a_form(answers["responses"]), text_format=Answer),
        "messages of a form": record(messages, of_a_form(answers["messages"]), output_format=Answer),
    }
    with open(bodies_file, "w") as file:
        json.dump(bodies, file, indent=2)


main(*sys.argv[1:])
