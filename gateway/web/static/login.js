"use strict";
// Exchanges the code of a link for a session cookie. Browsers send the fragment of an address, where the code is, to nobody.
const code = location.hash.slice(1);
history.replaceState(null, "", location.pathname);

function refuse(message) {
  const notice = document.getElementById("notice");
  notice.dataset.state = "DOWN";
  notice.textContent = message;
}

async function begin() {
  if (!code) return refuse("This address has no code: run ordermesh open for a link.");
  const body = JSON.stringify({ code });
  const reply = await fetch("/session", { method: "POST", headers: { "content-type": "application/json" }, body }).catch(() => null);
  if (!reply) return refuse("The stack does not answer.");
  if (!reply.ok) return refuse(`No session: ${(await reply.json()).message}.`);
  localStorage.setItem("ordermesh-session", "open");
  return location.replace("/");
}

begin();
