"""Invented secrets of known kinds, and harmless texts that resemble them.

The secrets are put together here, so that secret scanners don't report them. Each kind draws from
its own seed: a new kind changes no other.
"""

from __future__ import annotations

import base64
import json
import random
import string
from collections.abc import Callable, Iterator

__all__ = ["HARMLESS", "HARMLESS_FORMS", "SECRETS", "SECRET_FORMS", "draw_harmless", "draw_secrets"]


class Draw(random.Random):
    """Random parts of texts."""

    def some(self, length: int, alphabet: str = string.ascii_letters + string.digits) -> str:
        """Return random characters."""
        return "".join(self.choices(alphabet, k=length))

    def hex(self, length: int) -> str:
        """Return hexadecimal digits."""
        return self.some(length, "0123456789abcdef")

    def upper(self, length: int) -> str:
        """Return characters of Base32."""
        return self.some(length, string.ascii_uppercase + "234567")

    def url(self, length: int) -> str:
        """Return characters of Base64 as in URLs."""
        return self.some(length, string.ascii_letters + string.digits + "-_")

    def uuid(self) -> str:
        """Return a UUID."""
        return "-".join(map(self.hex, (8, 4, 4, 4, 12)))

    def jwt(self) -> str:
        """Return a JSON web token."""
        parts = {"alg": "HS256", "typ": "JWT"}, {"sub": self.some(10, string.digits)}
        encoded = (_base64(json.dumps(part)).rstrip("=") for part in parts)
        return ".".join([*encoded, self.url(43)])

    def camel(self, words: int) -> str:
        """Return a name such as those of classes."""
        return "".join(self.choices(_NAMES, k=words))

    def snake(self, words: int, separator: str = "_") -> str:
        """Return a name such as those of variables, or of runs."""
        return separator.join(self.choices(_LABELS, k=words)).lower()

    def model(self) -> str:
        """Return the name of a model."""
        version = self.choice(["2.5-0.5B", "3-8x7b", "3.1-405B", "3-30B-A3B", "4-small"])
        kind = self.choice(
            ["Instruct-2507", "it-qat-q4_0-gguf", "Base-FP8", "GPTQ-Int4", "R1-Zero"]
        )
        return f"{self.camel(1)}AI/{self.camel(2)}-{version}-{kind}"

    def pem(self) -> str:
        """Return a private key."""
        kind = f"RSA {'PRIVATE'} KEY"
        return f"-----BEGIN {kind}-----\n{_base64(self.some(120))}\n-----END {kind}-----"


_NAMES = (
    *("Llama", "Qwen3", "Gemma", "Mistral", "Falcon", "Phi", "Deepseek", "GPT2", "Bert"),
    *("Whisper", "Wav2Vec2", "ViT", "Clip", "MoE", "Lora", "RMS", "Norm", "Layer", "Head"),
    *("Attention", "Rotary", "Embedding", "For", "Causal", "LM", "Config", "Trainer", "Reward"),
    *("Policy", "Value", "Group", "Sampler", "Batch", "Cache", "Query", "Flash", "Paged"),
    *("Kernel", "Model", "State", "Data", "Collator", "With", "Padding", "Auto", "Processor"),
    *("From", "Pretrained", "Decoder", "Conv1d"),
)
_LABELS = (*_NAMES, "fp16", "bf16", "int8", "h100", "a100", "rtx4090", "sxm5", "aime2024", "gsm8k")
_SMALL = string.ascii_lowercase + string.digits


def _base64(text: str | bytes) -> str:
    return base64.b64encode(text.encode() if isinstance(text, str) else text).decode()


SECRET_FORMS: dict[str, tuple[str, Callable[[Draw], str]]] = {
    # What the secret is: the text around it, and the secret itself.
    "1Password": ("{}", lambda d: "ops_" + "eyJ" + d.some(260)),
    "Anthropic": ("using {}", lambda d: "sk-" + "ant-api03-" + d.some(93) + "AA"),
    "AWS id": ("id {}, region us-east-1", lambda d: "AKIA" + d.upper(16)),
    "AWS key": (
        "aws_secret_access_key = {}",
        lambda d: d.some(40, string.ascii_letters + "0123456789/+"),
    ),
    "Azure storage": ("AccountName=a;AccountKey={};X=1", lambda d: _base64(d.some(64))),
    "Azure signed URL": (
        "https://a.blob.core.windows.net/c?sv=1&sig={}",
        lambda d: d.some(43) + "%3D",
    ),
    "Cloudflare": ("CLOUDFLARE_API_KEY={}", lambda d: d.hex(37)),
    "Cohere": ("CO_API_KEY: {}", lambda d: d.some(40)),
    "ClearML": ("CLEARML_API_SECRET_KEY={}", lambda d: d.some(50)),
    "Comet": ("export COMET_API_KEY={}", lambda d: d.some(25)),
    "Databricks": ("databricks at {}", lambda d: "dapi" + d.hex(32)),
    "DigitalOcean": ("{} (droplet)", lambda d: "dop_" + "v1_" + d.hex(64)),
    "Discord webhook": (
        "https://discord.com/api/webhooks/{}",
        lambda d: "123456789012345678/" + d.some(68),
    ),
    "Docker": ("docker login -p {}", lambda d: "dckr_" + "pat_" + d.some(27)),
    "Fireworks": ("key is {}", lambda d: "fw_" + "3Z" + d.some(22)),
    "GCP": ("?key={}&x=1", lambda d: "AIza" + d.some(35)),
    "GitHub": ("remote: {}", lambda d: "ghp_" + d.some(36)),
    "GitHub fine": (
        "token {} expired",
        lambda d: "github_" + "pat_" + d.some(22) + "_" + d.some(59),
    ),
    "GitHub in URL": (
        "git clone https://{}@github.com/o/r",
        lambda d: "x-access-token:" + d.some(40),
    ),
    "GitLab": ("({})", lambda d: "glpat-" + d.some(20)),
    "Google OAuth": ("'{}'", lambda d: "ya29." + d.some(60)),
    "Google client": ("client_secret: {}", lambda d: "GOCSPX-" + d.some(28)),
    "Grafana": ("[{}]", lambda d: "glsa_" + d.some(32) + "_" + d.hex(8)),
    "Groq": ("<{}>", lambda d: "gsk_" + d.some(52)),
    "Heroku": ("HEROKU_API_KEY={}", lambda d: d.uuid()),
    "Hugging Face": ("{},", lambda d: "hf_" + d.some(34, string.ascii_letters)),
    "JSON web token": ("cookie {};", lambda d: d.jwt()),
    "LangSmith": ("tracing to {}.", lambda d: "lsv2_" + "pt_" + d.hex(32) + "_" + d.hex(10)),
    "Linear": ("{}", lambda d: "lin_" + "api_" + d.some(40)),
    "Mailgun": ("mail by {}", lambda d: "key-" + d.hex(32)),
    "Mistral": ("MISTRAL_API_KEY='{}'", lambda d: d.some(32)),
    "MongoDB": ("mongodb+srv://{}@cluster0.mongodb.net/db", lambda d: "me:" + d.some(14)),
    "Neptune": (
        'NEPTUNE_API_TOKEN="{}"',
        lambda d: _base64(json.dumps({"api_address": d.some(30)})),
    ),
    "New Relic": ("new_relic = {}", lambda d: "NRAK-" + d.upper(27)),
    "Notion": ("with {}", lambda d: "ntn_" + d.some(11, string.digits) + d.some(35)),
    "npm": ("//registry.npmjs.org/:_authToken={}", lambda d: "npm_" + d.some(36)),
    "NVIDIA": ("NGC {}", lambda d: "nvapi-" + d.some(64)),
    "OpenAI": (
        "Incorrect API key provided: {}.",
        lambda d: "sk-" + "proj-" + d.some(74) + "T3BlbkFJ" + d.some(74),
    ),
    "OpenAI old": ("{}", lambda d: "sk-" + d.some(20) + "T3BlbkFJ" + d.some(20)),
    "OpenRouter": ("llm({})", lambda d: "sk-" + "or-v1-" + d.hex(64)),
    "option": ("python train.py --hf-token {} --lr 1e-5", lambda d: d.some(20)),
    "password": ("password={}", lambda d: "hunter" + "22"),
    "password in JSON": ('{{"user": "me", "password": "{}"}}', lambda d: "let" + "mein!"),
    "password in repr": ("Config(password='{}', n=1)", lambda d: "correct " + "horse"),
    "Perplexity": ("{}", lambda d: "pplx-" + d.some(48)),
    "Postgres": ("postgresql+psycopg://{}@db:5432/x", lambda d: "me:" + "p%40ss"),
    "private key": ("key:\n{}\n", lambda d: d.pem()),
    "PyPI": ("TWINE_PASSWORD={}", lambda d: "pypi-" + "AgEIcHlwaS5vcmc" + d.some(70)),
    "Redis": ("redis://{}@cache:6379/0", lambda d: ":" + d.some(12)),
    "Replicate": ("{}", lambda d: "r8_" + d.some(37)),
    "SendGrid": ("{}", lambda d: "SG." + d.some(22) + "." + d.some(43)),
    "Sentry": ("SENTRY_DSN={}", lambda d: "https://" + d.hex(32) + "@o1.ingest.sentry.io/2"),
    "Slack": ("{}", lambda d: "xoxb-" + "123456789012-123456789012-" + d.some(24)),
    "Slack webhook": (
        "to {}",
        lambda d: (
            "https://hooks.slack.com/services/T" + d.upper(8) + "/B" + d.upper(8) + "/" + d.some(24)
        ),
    ),
    "Stripe": ("{}", lambda d: "sk_" + "live_" + d.some(24)),
    "Telegram": (
        "https://api.telegram.org/bot{}/sendMessage",
        lambda d: "123456789:" + "AA" + d.some(33),
    ),
    "Together": ("{}", lambda d: "tgp_" + "v1_" + d.some(43)),
    "Twilio": ("twilio {}", lambda d: "SK" + d.hex(32)),
    "W&B": ("WANDB_API_KEY={}", lambda d: d.hex(40)),
    "xAI": ("{}", lambda d: "xai-" + d.some(80)),
    "Tailscale": ("up --authkey {}", lambda d: "tskey-" + "auth-" + d.some(17) + "-" + d.some(32)),
    "Supabase": ("({})", lambda d: "sb_" + "secret_" + d.url(22) + "_" + d.url(8)),
    "HF OAuth": ("{}", lambda d: "hf_" + "oauth_" + d.some(60)),
    "Browserbase": ("{}", lambda d: "bb_" + "live_" + d.url(27)),
    "Netlify": ("{}", lambda d: "nfp_" + d.some(36)),
    "Fly": ("{}", lambda d: "fm2_" + _base64(d.some(60))),
    "Sentry token": ("{}", lambda d: "sntrys_" + _base64(d.some(60))),
    "Firecrawl": ("{}", lambda d: "fc-" + d.hex(32)),
    "E2B": ("{}", lambda d: "e2b_" + d.hex(40)),
    "Mapbox": ("{}", lambda d: "sk." + "eyJ1" + d.some(80) + "." + d.some(22)),
    "Dropbox": ("{}", lambda d: "sl." + d.some(140)),
    "Okta": ("Authorization: SSWS {}", lambda d: "00" + d.some(40)),
    "Bitbucket": ("{}", lambda d: "ATBB" + d.some(32)),
    "Alibaba": ("{}", lambda d: "LTAI" + "5t" + d.some(18)),
    "Zapier": ("https://hooks.zapier.com/hooks/catch/{}", lambda d: "123456/" + d.some(7)),
    "Railway": ("RAILWAY_TOKEN={}", lambda d: d.uuid()),
    "Datadog": ("DD-APPLICATION-KEY: {}", lambda d: d.hex(40)),
    "Pushover": ("PUSHOVER_USER_KEY={}", lambda d: d.some(30)),
    "PASS": ("PASS={}", lambda d: "x7" + d.some(12)),
    "docker login": ("docker login -u me -p {} ghcr.io", lambda d: "hunter" + "22"),
    "sshpass": ("sshpass -p {} ssh me@host", lambda d: "hunter" + "22"),
    "mysql": ("mysql -u root -p{} db", lambda d: "hunter" + "22"),
    "set command": ("vastai set api-key {}", lambda d: d.hex(64)),
    "setx": ("setx COMET_API_KEY {}", lambda d: d.some(25)),
    "XML": ("<password>{}</password>", lambda d: "hunter" + "22"),
    "pydantic": ("Settings(key=SecretStr('{}'))", lambda d: d.some(20)),
    "YAML block": ("password: >-\n  {}\n", lambda d: d.some(20)),
    "arrow": ("api_key -> {}", lambda d: d.some(30)),
    "was": ("Your API key was: {}", lambda d: d.some(32)),
    "German": ("Passwort: {}", lambda d: "geheim-" + d.some(8)),
    "French": ("mot de passe : {}", lambda d: "secret-" + d.some(8)),
    "Chinese": ("\u5bc6\u7801\uff1a{}", lambda d: "mima-" + d.some(8)),
    "SQL": ("User 'root'@'%' identified by '{}'", lambda d: "hunter" + "22"),
    "in parentheses": ("password ({}) rejected", lambda d: "hunter" + "22"),
    "hexadecimal": ("encryption key {}", lambda d: d.hex(64)),
    "first argument": ("cohere.Client('{}')", lambda d: d.some(40)),
    "Fernet": ("Fernet(b'{}')", lambda d: _base64(d.some(32))),
    "cookies": ('{{"cookies": {{"session": "{}"}}}}', lambda d: d.some(30)),
    "zip": ("zip -r -P {} a.zip .", lambda d: "hunter" + "22"),
    "openssl": ("openssl rsa -in k -passin pass:{}", lambda d: "hunter" + "22"),
    "smbclient": ("smbclient -U dom/me%{} //h/s", lambda d: "hunter" + "22"),
    "aws configure": ("aws configure set aws_secret_access_key {}", lambda d: d.some(40)),
    "echo": ("echo {} | sudo -S apt update", lambda d: "hunter" + "22"),
    "pw": ("pw: {}", lambda d: "hunter" + "22"),
    "bearer field": ("bearer={}", lambda d: d.some(40)),
    "mathematical arrow": ("password \u2192 {}", lambda d: "hunter" + "22"),
    "YAML": ("db:\n  password: {}\n  port: 1", lambda d: "let" + "mein"),
    "item of a mapping": ("os.environ['HF_TOKEN'] = '{}'", lambda d: d.some(30)),
    "setdefault": ("os.environ.setdefault('HF_TOKEN', '{}')", lambda d: d.some(30)),
    "pieces": ("token = 'ghp_' + '{}'", lambda d: d.some(36)),
    "fish": ("set -gx OPENAI_API_KEY {}", lambda d: d.some(40)),
    "curl": ("curl --user admin:{} https://host/x", lambda d: "hunter" + "22"),
    "requests": ("requests.get(url, auth=('me', '{}'))", lambda d: "hunter" + "22"),
    "webhook in general": (
        "https://open.feishu.cn/open-apis/bot/v2/hook/{}",
        lambda d: d.uuid(),
    ),
    "key in a URL": (
        "https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key={}",
        lambda d: d.uuid(),
    ),
    "slash in a password": ("sftp://me:{}@host", lambda d: "ab/" + d.some(7)),
    "URL with a token as user": ("--extra-index-url https://{}:@host/x", lambda d: d.some(20)),
    "Oracle": ("jdbc:oracle:thin:scott/{}@//host:1521/s", lambda d: "tiger" + d.some(4)),
    "pydantic error": ("api_key\n  Input should be int [input_value='{}']", lambda d: d.some(30)),
    "Kaggle": ('{{"username":"me","key":"{}"}}', lambda d: d.hex(32)),
    "key of a user": ("{{'user': 'me', 'key': '{}'}}", lambda d: d.some(24)),
    "named value": ('{{"name": "DB_PASSWORD", "value": "{}"}}', lambda d: "hunter" + "22"),
    "named value in YAML": ("- name: API_TOKEN\n  value: {}", lambda d: d.some(30)),
    "URL without a scheme": ("rsync me:{}@store.example.org:/data", lambda d: d.some(16)),
    "escaped name": ('{{"contrase\\u00f1a": "{}"}}', lambda d: "hunter" + "22"),
    "JSON in JSON": ('"{{\\"\\\\u5bc6\\\\u7801\\": \\"{}\\"}}"', lambda d: "hunter" + "22"),
    "authtoken": ("ngrok config add-authtoken {}", lambda d: d.some(40)),
    "become": ("ansible_become_pass: {}", lambda d: "hunter" + "22"),
    "diff of YAML": ("@@ -1 +1 @@\n+password: {}\n", lambda d: "let" + "mein"),
    "diff of an environment": ("+  - name: DB_PASSWORD\n+    value: {}", lambda d: "hunter" + "22"),
    "Heroku in general": ("logged in with {}", lambda d: "HRKU-" + d.some(36)),
    "login": ("cargo login {}", lambda d: d.some(48)),
    "class of a key": ("Auth.AuthApiKey('{}')", lambda d: d.some(36)),
    "set to": ("The password was set to {}", lambda d: "Gr4nite" + "_Falc0n"),
    "pass in quotes": ("VPN_PASS '{}'", lambda d: "Gr4nite" + "_Falc0n"),
    "prompt": ("Password for 'me': {}", lambda d: "hunter" + "22"),
    "Italian": ("parola d'ordine: {}", lambda d: "segreto-" + d.some(8)),
    "OCI": ("pass_phrase={}", lambda d: d.some(12)),
    "Linear OAuth": ("{}", lambda d: "lin_" + "oauth_" + d.hex(64)),
    "bearer": ("Authorization: Bearer {}", lambda d: d.some(30)),
    "basic": ("{{'Authorization': 'Basic {}'}}", lambda d: _base64("me:" + d.some(8))),
    "cookie": ("Set-Cookie: {}", lambda d: "session=" + d.some(32)),
    "query": ("GET /x?access_token={}&n=1", lambda d: d.some(24)),
    # Services for machine learning, and clouds: with a form of their own
    "Apify": ("{}", lambda d: "apify_" + "api_" + d.some(36)),
    "Buildkite": ("{}", lambda d: "bkua_" + d.hex(40)),
    "Cerebras": ("{}", lambda d: "csk-" + d.some(48, _SMALL)),
    "CircleCI": ("{}", lambda d: "CCIPAT_" + d.some(22) + "_" + d.hex(40)),
    "Cloudflare user": ("{}", lambda d: "cfut_" + d.some(40) + d.hex(8)),
    "CoreWeave": ("login with {}", lambda d: "CW-" + "SECRET-" + d.some(40)),
    "DeepSeek": ("llm({})", lambda d: "sk-" + d.hex(32)),
    "Doppler": ("{}", lambda d: "dp.st." + "dev." + d.some(43)),
    "ElevenLabs": ("{}", lambda d: "sk_" + d.hex(48)),
    "Figma": ("{}", lambda d: "figd_" + d.url(40)),
    "Kaggle token": ("{}", lambda d: "KGAT_" + d.hex(32)),
    "Lambda": ("({})", lambda d: "secret_" + "cluster_" + d.hex(32) + "." + d.some(32)),
    "Langfuse": ("{}", lambda d: "sk-" + "lf-" + d.uuid()),
    "Modal": ("modal token set --token-id x {}", lambda d: "as-" + d.some(22)),
    "Neon": ("{}", lambda d: "napi_" + d.some(64, _SMALL)),
    "Neptune alone": ("init({})", lambda d: _base64(json.dumps({"api_address": d.some(60)}))),
    "New Relic alone": ("{}", lambda d: "NRAK-" + d.upper(27)),
    "ngrok": ("ngrok starts with {}", lambda d: "2" + d.some(26) + "_6" + d.some(20)),
    "Pinecone": ("{}", lambda d: "pcsk_" + d.some(5) + "_" + d.some(63)),
    "PlanetScale": ("{}", lambda d: "pscale_" + "pw_" + d.some(43)),
    "Prime Intellect": ("{}", lambda d: "pit_" + d.some(64)),
    "Render": ("{}", lambda d: "rnd_" + d.some(28)),
    "RunPod": ("{}", lambda d: "rpa_" + d.some(40, string.ascii_uppercase + string.digits)),
    "Sourcegraph": ("{}", lambda d: "slk_" + d.hex(64)),
    "Tavily": ("{}", lambda d: "tvly-" + "dev-" + d.some(32)),
    "Tinker": ("{}", lambda d: "tml-" + d.some(60)),
    "Vercel": ("{}", lambda d: "vcp_" + d.url(50) + d.some(6)),
    "Voyage": ("{}", lambda d: "pa-" + d.url(43)),
    # … and with a name only
    "Baseten": ("BASETEN_API_KEY={}", lambda d: d.some(8) + "." + d.some(32)),
    "KAGGLE_KEY": ("KAGGLE_KEY={}", lambda d: d.hex(32)),
    "MLflow": ("MLFLOW_TRACKING_PASSWORD={}", lambda d: d.some(12)),
    "Qdrant": ("QDRANT_API_KEY={}", lambda d: d.url(54)),
    "Together of old": ("TOGETHER_API_KEY={}", lambda d: d.hex(64)),
    "Turso": ("TURSO_AUTH_TOKEN={}", lambda d: d.jwt()),
    "Upstash": ("UPSTASH_REDIS_REST_TOKEN={}", lambda d: "AX" + d.some(54)),
    "Vast": ("VAST_API_KEY={}", lambda d: d.hex(64)),
    "Weaviate": ('Auth.api_key("{}")', lambda d: d.some(36)),
}
"""Of each kind of secret: the text around it, and what draws one."""


def draw_secrets(kind: str, count: int) -> Iterator[tuple[str, str]]:
    """Yield texts with a secret of a kind, and the secret."""
    frame, form = SECRET_FORMS[kind]
    draw = Draw(kind)
    for _ in range(count):
        secret = form(draw)
        yield frame.format(secret), secret


SECRETS = {kind: (frame, form(Draw(kind))) for kind, (frame, form) in SECRET_FORMS.items()}
"""One secret of each kind, and the text around it."""

HARMLESS_FORMS: dict[str, Callable[[Draw], str]] = {
    "commit": lambda d: f"Checked out {d.hex(40)}, was {d.hex(7)}; commit: {d.hex(40)}",
    "hash": lambda d: f"sha256:{d.hex(64)} md5 {d.hex(32)} cache-{d.hex(16)}.arrow",
    "key of a cache": lambda d: f"cache key: {d.hex(40)}; key_{d.hex(8)}.py; key {d.hex(40)}",
    "UUID": lambda d: f"run {d.uuid()} started, request_id={d.uuid()} primary_key={d.uuid()}",
    "image": lambda d: f"data:image/png;base64,{_base64(d.randbytes(900))}",
    "image in JSON": lambda d: json.dumps({"image": _base64(d.randbytes(900)), "mode": "RGB"}),
    "Base64 as in URLs": lambda d: f"audio {d.url(400)}",
    "ids of OpenAI": lambda d: (
        f"chatcmpl-{d.some(29)} call_{d.some(24)} run_{d.some(24)} file-{d.some(22)}"
        f" asst_{d.some(24)} msg_{d.some(24)} resp_{d.hex(48)} batch_{d.hex(32)} task_{d.some(24)}"
    ),
    "ids of Anthropic": lambda d: f"toolu_01{d.some(22)} msg_01{d.some(22)} req_011{d.some(21)}",
    "ids of vLLM": lambda d: f"cmpl-{d.hex(32)} chatcmpl-tool-{d.hex(32)} disk-{d.some(24)}",
    "models": lambda d: f"model {d.model()}, tokenizer {d.model()} --base-model={d.model()}",
    "checkpoint": lambda d: (
        f"/data/{d.snake(3)}/{d.camel(3)}/checkpoint-{d.randint(1, 99999)}/model-1-of-4.safetensors"
    ),
    "snapshot": lambda d: (
        f"~/.cache/hub/models--{d.model().replace('/', '--')}/snapshots/{d.hex(40)}/config.json"
    ),
    "numbers": lambda d: (
        f"{d.some(60, string.digits)} {d.random()} {d.random() * 1e-9} 0x{d.hex(12)}"
    ),
    "classes": lambda d: f"token={d.camel(4)}() key: {d.camel(5)} key {d.camel(6)}",
    "marked classes": lambda d: f"key_{d.camel(5)} token-{d.camel(5)} live_{d.camel(6)}",
    "variables": lambda d: f"{d.snake(3)}_key[{d.snake(4)}] = token_{d.snake(5)}(sk-{d.snake(6)})",
    "run": lambda d: f"https://wandb.ai/me/p/runs/{d.some(8, _SMALL)} {d.snake(5, '-')}-17",
    "parameter": lambda d: f"missing key: model.layers.{d.randint(0, 99)}.{d.snake(2)}.lora_A",
    "container": lambda d: f"ghcr.io/{d.snake(2, '-')}/{d.snake(2, '-')}@sha256:{d.hex(64)}",
    "video": lambda d: f"https://www.youtube.com/watch?v={d.url(11)}",
    "object": lambda d: f"<{d.camel(3)} object at 0x7f{d.hex(10)}> at key {d.camel(3)}",
    "LaTeX": lambda d: (
        f"\\nabla_\\theta J = \\mathbb{{E}}_{{{d.some(1)}\\sim\\pi_{{\\theta_{{old}}}}}}"
        f"\\left[\\frac{{{d.some(2)}}}{{{d.some(2)}_{{{d.some(2)}}}}}\\right]\\text{{{d.snake(3)}}}"
    ),
    "code": lambda d: (
        f"def {d.snake(3)}(key: {d.camel(2)}, token: str = '{d.snake(1)}') -> {d.camel(3)}:\n"
        f"    api_key = os.environ['{d.snake(3).upper()}']\n    return {d.camel(4)}(key=key)"
    ),
    "chat template": lambda d: (
        f"<|im_start|>user\n{d.camel(2)} {d.snake(8, ' ')}<|im_end|>\n<|im_start|>assistant\n"
    ),
    "tokens": lambda d: (
        f'{{"token": "{d.choice(_LABELS)}", "logprob": -{d.random()}}} token: {d.snake(2)}'
    ),
    "sequences": lambda d: f"DNA {d.some(80, 'ACGT')} SMILES {d.some(40, 'CCCNO(=)12c')}",
    "hosts": lambda d: f"node1:/data/{d.camel(2)} me@{d.snake(2, '-')}.local {d.camel(2)}@v1",
}
"""What draws harmless texts of each kind."""


def draw_harmless(kind: str, count: int) -> Iterator[str]:
    """Yield harmless texts of a kind."""
    draw = Draw(kind)
    return (HARMLESS_FORMS[kind](draw) for _ in range(count))


_COMMIT = "9fceb02d0ae598e95dc970b74767f19372d61af8"
_UUID = "123e4567-e89b-12d3-a456-426614174000"
_PNG = (
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk"
    "+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)

HARMLESS = f"""\
Set the password to something strong; proxy_pass http://127.0.0.1:8000; low_pass (12 dB)
login node: login gpu-node-with-a-very-long-name-12; dict.get_key("advantages_of_the_group_1")
{{"user": "What is 2+2?", "key": "model.layers.12.mlp"}} {{"username": "me", "key": "train/loss"}}
{{"name": "token", "value": "Paris"}} name: key, value: 0.25
git@github.com:huggingface/trl.git step:reward@0.5:0.93
image:24.05-py3@sha256:2c26 p99:latency@8xH100:13
vllm:Qwen2.5-0.5B@node1.local:8000 rsync node1:/data/ckpt node2:/data 12:30@noon
The password: field must not be empty
Forgot your password? The key: work hard. Bearer of bad news.
What is the secret: practice, practice, practice
sk-learn-is-a-package-name, risk-adjusted, desk-bound-and-other-long-words
sk-learn-pipeline-v2-final-model-3-and-more
task-oriented-dialogue-with-20-turns sk-1
Checked out {_COMMIT}
git_commit={_COMMIT} branch=main
commit: {_COMMIT}
cache key: {_COMMIT}
key={_UUID}
primary_key={_UUID}, foreign_key: 17
run {_UUID} started
request_id={_UUID} trace_id={_COMMIT[:32]}
data:image/png;base64,{_PNG}
image={_PNG}
sha256:{_COMMIT}{_COMMIT[:24]}
model google/gemma-3-1b-it, Qwen/Qwen2.5-0.5B-Instruct, meta-llama/Llama-3.1-8B-Instruct
meta-llama/Meta-Llama-3.1-405B-Instruct-FP8 deepseek-ai/DeepSeek-R1-Distill-Qwen-1.5B
unsloth/gemma-3n-E4B-it-unsloth-bnb-4bit facebook/opt-125m cohere/command-r7b-12-2024
num_tokens=50000 max_new_tokens: 128 tokens_per_second=1234.56789
loss per token: 0.123456, time per token: 12.5ms, tokens: [1, 2, 3]
next token: Paris; token='hello', token = 'antidisestablishment'
{{"token": "Hello", "logprob": -0.5}} {{"token": " the", "bytes": [32, 116]}}
eos_token=<|im_end|> pad_token: '<pad>' bos_token="<s>" unk_token=[UNK]
The tokenizer has new PAD/BOS/EOS tokens: {{'eos_token_id': 106, 'pad_token': '<pad>'}}
Setting `pad_token_id` to `eos_token_id`:2 for open-end generation.
tokenizer=AutoTokenizer.from_pretrained('google/gemma-3-1b-it')
password = os.environ["PASSWORD"]
login(token=token, password=self.password, api_key=get_key(), secrets=secrets)
def connect(password: str, api_key: str | None = None, secret: Optional[str] = None):
token = tokenizer.decode(ids[0])
api_key=None, secret=False, hub_token='<HUB_TOKEN>', password=$PASSWORD, token={{token}}
api_key = "${{OPENAI_API_KEY}}" and password: ******** and secret=...
http://host:8080/path?x=a@b see me@host.org and 12:30@noon
https://example.org/a/b?c=d#e git@github.com:owner/name.git ssh://git@host/x
{{"a":"http://host","b":"x@y"}}
hf_transfer, hf_hub_download, HF_HUB_ENABLE_HF_TRANSFER=1, ghp, AKIA, eyJ, gl-matrix
/home/me/.cache/huggingface/hub/models--google--gemma-3-1b-it/snapshots/{_COMMIT}/config.json
private_key=/etc/ssl/private/key.pem ssh_key: ~/.ssh/id_rsa.pub
PWD=/home/me/project OLDPWD=/tmp
C:\\Users\\me\\AppData\\Local\\Temp\\tmp8f3k2x.txt
Author: me, authority=1, tokenization: fast, secretary=Ann, authenticated: yes
auth: required, authorization: none, credentials: see the manual
Basic arithmetic and bearer bonds, basic training, Bearer internationalization
f(x) = 2 * x  # secret sauce
\\frac{{\\partial L}}{{\\partial \\theta}}=\\sum_{{i=1}}^{{n}}\\nabla_\\theta\\log\\pi_\\theta(a|s)
$E = mc^2$, \\alpha_{{0}} := \\beta^{{-1}}, $p(x \\mid y) \\propto p(y \\mid x)$
for key, value in sorted(d.items()): print(f"{{key}}: {{value}}")
KeyError: 'rewards/total' keyboard: qwerty monkey=banana turkey: sandwich
torch==2.13.0+cu126 nvidia-cublas-cu12==12.6.4.1 sha1:2fd4e1c67a2d28fc
CUDA out of memory. Tried to allocate 2.00 GiB (GPU 0; 79.15 GiB total capacity)
2026-11-30T15:02:36.123456Z step 1200 reward 0.4512345678901 kl 1.2345e-05
The pass: 3 of 4; forward_pass=0.012345678 first_pass: 12345678
cookie: a small sweet cake. cookies: enabled
dict_keys(['loss', 'reward']) sort_key=step partition_key: dataset0001
password: !vault |
pw=0.5 pw: 1e-3 pos_pw=2
key 9fceb02d0ae598e95dc970b74767f19372d61af8 token CamelCaseAttentionLayerNorm2D
echo done | tee log.txt; zip -r a.zip logs; openssl version; ldd /bin/sh
PASSWORD: REQUIRED BY THE SERVER password: field
fields = ["api_key", "password"] ("secret", "optional_value_of_many_words")
https://github.com/owner/name/blob/main/hooks/pre-commit-config-for-all
https://docs.example.org/webhooks/receiving-events-from-a-server http://host:8080/a/b@c
curl -u me http://host:80/x auth=("me", password)
Passwords are like underwear: change them often.
The access token expired; please log in again.
jwt: JSON web token, dsn: data source name, pat: to touch gently
curl -H "Accept: application/json" https://api.example.org/v1/models
discord: 12 users online; slack: team; telegram: bot started; asana: yoga
S. Author et al. s.t. x > 0, e.g. vectors.of.words.without.numbers
AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA 00000000000000000000000000
lr_scheduler=cosine_with_restarts_and_warmup_2 optim=adamw_torch_fused
tool call call_9aBcD3fGh1JkLmN0pQrStUvW returned, id=chatcmpl-9aBcD3fGh1JkLmN0pQrStUvWxYz12
toolu_01A09q90qw90lq917835lq9 file-9aBcD3fGh1JkLmN0pQrStU run_9aBcD3fGh1JkLmN0pQrStUvW
model_key-LlamaForCausalLM2024WithValueHead sk_model_RandomForestClassifier100Trees
kv_key_LayerNormWeightDecay2Float16 prod-eu-west-cluster-node-0123456789abcdef
desk-RTX4090Workstation01 monkey_patch_for_LlamaAttention4Dmask
missing key: base_model.model.model.layers.31.mlp.gate_proj.lora_A.default.weight
cache-{_COMMIT[:16]}.arrow sha256-{_COMMIT}{_COMMIT[:24]} key_{_COMMIT[:8]}.py
mysql -u root -p mydb; docker login -u me --password-stdin; redis-cli -p 6379
pass=3 of 4, pass=True, pass@1=0.75 PASS=1; set api key in the settings
the password was reset; the token was: Paris; the secret was: none; key -> value
user_key=alice write_key=users/1 app_key: ctrl+c idempotency_key={_UUID}
Passwort vergessen? Mot de passe oublié? <token>Hello</token> <key>value</key>
public_key: ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ2b7Qm9Zk me@host
DNA ACCATAAACGAAAAATACTCAGTGTTGAGC jina_embeddings_v3_base_en_finetuned_for_retrieval task_of_AIME24
https://drive.google.com/file/d/1aBcD3fGh1JkLmN0pQrStUvWxYz12345/view""".splitlines()
