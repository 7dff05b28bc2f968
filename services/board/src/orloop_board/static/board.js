/* The board's one script: takes snapshots from the server, keeps the reader's place, sends decisions. */
"use strict";

(() => {
  const store = { get(key) { try { return localStorage.getItem(key); } catch { return null; } }, set(key, value) { try { localStorage.setItem(key, value); } catch { /* private window */ } } };
  const root = document.documentElement;
  const theme = store.get("orloop-theme");
  if (theme) root.dataset.theme = theme; // before the first paint

  document.addEventListener("DOMContentLoaded", () => {
    const body = document.body;
    if (!body.dataset.suite) return;
    const $ = (selector, from = document) => from.querySelector(selector);
    const $$ = (selector, from = document) => [...from.querySelectorAll(selector)];
    const csrf = $("meta[name=csrf]").content;

    // -- alternatives ----------------------------------------------------------------------------
    function choose(number, focus = false) {
      const buttons = $$("[data-choose]");
      if (!buttons.some((b) => b.dataset.choose === String(number))) return;
      body.dataset.alt = number;
      for (const b of buttons) {
        const on = b.dataset.choose === String(number);
        b.setAttribute("aria-checked", on);
        b.tabIndex = on ? 0 : -1;
        if (on) body.toggleAttribute("data-closed", b.hasAttribute("data-closed"));
        if (on && focus) b.focus();
      }
    }
    const chosen = () => $(`[data-choose="${body.dataset.alt}"]`);
    const changes = () => $$(`[data-for="${body.dataset.alt}"] .change`);

    // -- snapshots -------------------------------------------------------------------------------
    let last = body.dataset.last;
    let heardAt = performance.now();
    let source;

    function swap(name, html) {
      const region = $(`[data-region="${name}"]`);
      if (!region) return;
      const focused = region.contains(document.activeElement) ? document.activeElement.dataset.k : null;
      const scroll = [region.scrollTop, $(".alternatives", region)?.scrollLeft];
      region.innerHTML = html;
      region.scrollTop = scroll[0];
      if (scroll[1]) $(".alternatives", region).scrollLeft = scroll[1];
      if (name === "advice") choose(body.dataset.alt);
      if (name === "timeline") makeReachable();
      if (focused) $(`[data-k="${CSS.escape(focused)}"]`, region)?.focus({ preventScroll: true });
    }

    function take(event) {
      const snapshot = JSON.parse(event.data);
      last = event.lastEventId;
      if (snapshot.proposal !== body.dataset.proposal) {
        body.dataset.proposal = snapshot.proposal;
        body.dataset.alt = "1";
        const open = $("dialog[open]:is(#d-approve, #d-change, #d-reject)");
        if (open) {
          open.close();
          say("The recommendation changed meanwhile. Look again.", true);
        } else say("");
      }
      body.toggleAttribute("data-stale", snapshot.stale);
      body.dataset.asOf = snapshot.as_of;
      for (const [name, html] of Object.entries(snapshot.regions)) swap(name, html);
      const live = $("#say");
      if (live.textContent !== snapshot.say) live.textContent = snapshot.say;
      alive();
    }

    function alive() {
      heardAt = performance.now();
      if (!body.hasAttribute("data-cut")) return;
      body.removeAttribute("data-cut");
      $("#cut").hidden = true;
    }

    function cut(text) {
      if (body.hasAttribute("data-cut")) return;
      body.setAttribute("data-cut", "");
      $$("dialog[open]").forEach((d) => d.close());
      const box = $("#cut");
      box.innerHTML = "<strong></strong><span></span>";
      box.firstChild.textContent = `No connection since ${body.dataset.asOf}: ${text}`;
      box.lastChild.textContent = "What you see is how things stood then. Work by phone until it is back.";
      box.hidden = false;
    }

    function connect() {
      source = new EventSource(`/events?suite=${encodeURIComponent(body.dataset.suite)}&after=${encodeURIComponent(last)}`);
      source.addEventListener("snapshot", take);
      source.addEventListener("ping", alive);
      source.addEventListener("open", alive);
    }

    setInterval(() => {
      const quiet = performance.now() - heardAt;
      if (source.readyState === EventSource.CLOSED) {
        cut("this screen was signed out or the board has stopped. Reload it, or open its link again.");
        if (quiet > 5000) { heardAt = performance.now(); connect(); }
      } else if (quiet > 12000 || (source.readyState === EventSource.CONNECTING && quiet > 3000)) cut("this screen tries again by itself.");
    }, 500);

    // -- the timeline is one stop for the keyboard; arrows move inside ------------------------------
    const bars = (row) => $$(".label", row).filter((l) => l.getClientRects().length);
    function makeReachable() {
      const first = bars(document)[0];
      if (first) first.tabIndex = 0;
    }
    function walk(event) {
      const here = event.target.closest(".label");
      const step = { ArrowRight: [0, 1], ArrowLeft: [0, -1], ArrowDown: [1, 0], ArrowUp: [-1, 0] }[event.key];
      if (!here || !step) return false;
      const rows = $$(".room").filter((r) => bars(r).length);
      const row = rows.indexOf(here.closest(".room"));
      const place = (label) => label.getBoundingClientRect().left;
      const inRow = (r) => bars(r).sort((a, b) => place(a) - place(b));
      let next;
      if (step[1]) { const lane = inRow(rows[row]); next = lane[lane.indexOf(here) + step[1]]; }
      else if (rows[row + step[0]]) next = inRow(rows[row + step[0]]).reduce((a, b) => (Math.abs(place(b) - place(here)) < Math.abs(place(a) - place(here)) ? b : a));
      if (next) { here.tabIndex = -1; next.tabIndex = 0; next.focus(); }
      return true;
    }

    const tip = $("#tip");
    function point(label) {
      tip.hidden = !label;
      if (!label) return;
      tip.textContent = label.dataset.tip;
      const box = label.getBoundingClientRect();
      tip.style.left = `${Math.max(8, Math.min(box.left, innerWidth - tip.offsetWidth - 8))}px`;
      tip.style.top = `${box.bottom + 6 + tip.offsetHeight > innerHeight ? box.top - tip.offsetHeight - 6 : box.bottom + 6}px`;
    }
    document.addEventListener("focusin", (e) => point(e.target.closest?.("[data-tip]")));
    document.addEventListener("pointerover", (e) => point(e.target.closest?.("[data-tip]")));

    // -- decisions ---------------------------------------------------------------------------------
    let key = "";
    const newKey = () => { key = [...crypto.getRandomValues(new Uint8Array(16))].map((b) => b.toString(16).padStart(2, "0")).join(""); };

    function say(text, bad = false) {
      const box = $("#outcome");
      if (!box) return;
      box.textContent = text;
      box.classList.toggle("bad", bad);
    }

    async function send(path, fields) {
      body.setAttribute("data-busy", "");
      try {
        const answer = await fetch(`/suites/${encodeURIComponent(body.dataset.suite)}/${path}`, {
          method: "POST", headers: { "X-CSRF-Token": csrf, "Idempotency-Key": key }, body: new URLSearchParams(fields), signal: AbortSignal.timeout(15000),
        });
        return await answer.json();
      } catch {
        return { ok: false, text: "The board did not answer. Nothing may have happened: try again." };
      } finally {
        body.removeAttribute("data-busy");
      }
    }

    function requests(form) {
      const data = new FormData(form);
      const reason = { reason: data.get("reason") ?? "", reason_code: data.get("reason_code") ?? "" };
      const base = `proposals/${encodeURIComponent(form.dataset.proposal ?? "")}`;
      const alternative = form.dataset.alternative;
      switch (form.dataset.send) {
        case "approve": return [`${base}/approve`, { alternative }];
        case "reject": return [`${base}/reject`, reason];
        case "override": return [`${base}/override`, [["alternative", alternative], ...data.getAll("keep").map((c) => ["keep", c]), ...Object.entries(reason)]];
        case "ask": return [`${base}/why-not`, { alternative, case: data.get("case"), wish: data.get("wish"), value: data.get(data.get("wish")) ?? "" }];
        case "mode": return ["mode", { mode: form.dataset.mode, reason: reason.reason }];
        default: return [`rooms/${encodeURIComponent(data.get("room"))}/${data.get("what")}`, { cause: data.get("cause"), until: data.get("until") }];
      }
    }

    const prepare = {
      approve(form) {
        $("h2", form).textContent = `Approve “${chosen().dataset.title}”?`;
        $(".sum", form).replaceChildren(...changes().map((c) => Object.assign(document.createElement("li"), { textContent: c.dataset.text })));
      },
      change(form) {
        $(".ticks", form).replaceChildren(...changes().map((c) => {
          const label = document.createElement("label");
          label.append(Object.assign(document.createElement("input"), { type: "checkbox", name: "keep", value: c.dataset.case, checked: true }), c.dataset.text);
          return label;
        }));
      },
      reject() {},
      ask(form) {
        for (const select of [form.case, form.before]) select.replaceChildren(...changes().map((c) => new Option($(".what", c).textContent.trim(), c.dataset.case)));
        form.before.selectedIndex = Math.min(1, changes().length - 1);
        $(".answer", form).textContent = "";
      },
      room(form) { form.what.value = "down"; },
      freeze(form) {
        const frozen = $(".mode").classList.contains("frozen");
        form.dataset.mode = frozen ? "advisory" : "frozen";
        $("h2", form).textContent = frozen ? "Unfreeze" : "Freeze everything";
        $(".sum", form).hidden = frozen;
        $("[type=submit]", form).textContent = frozen ? "Unfreeze" : "Freeze";
      },
    };

    async function act(name) {
      const dialog = $(`#d-${name}`);
      if (name === "replan") {
        newKey();
        const result = await send("replan", { reason: "asked on the board" });
        return say(result.text, !result.ok);
      }
      const form = $("form", dialog);
      form.reset();
      $(".error", form).textContent = "";
      form.dataset.proposal = body.dataset.proposal;
      form.dataset.alternative = chosen()?.dataset.alternative ?? "";
      newKey(); // one for each intention: pressing again, or a retry, is the same decision
      prepare[name](form);
      say("");
      dialog.showModal();
    }

    document.addEventListener("submit", async (event) => {
      event.preventDefault();
      const form = event.target;
      const [path, fields] = requests(form);
      $(".error", form).textContent = "";
      const asks = form.dataset.send === "ask";
      if (asks) $(".answer", form).textContent = "Looking …";
      const result = await send(path, fields);
      if (asks) $(".answer", form).textContent = result.ok ? result.text : "";
      if (!result.ok) { $(".error", form).textContent = result.text; return; }
      if (asks) return; // nothing is decided by asking: the form stays for the next question
      form.closest("dialog").close();
      say(result.text);
    });

    document.addEventListener("click", (event) => {
      const on = (selector) => event.target.closest(selector);
      if (on("[data-choose]")) choose(on("[data-choose]").dataset.choose);
      else if (on("[data-act]")) act(on("[data-act]").dataset.act);
      else if (on("[data-close]")) on("dialog").close();
      else if (on("#theme")) turn();
      else if (on("#keys")) setKeys(store.get("orloop-keys") === "off");
      else if (on("#show-timeline")) {
        const shown = $("#timeline").classList.toggle("shown");
        on("#show-timeline").setAttribute("aria-expanded", shown);
        on("#show-timeline").textContent = shown ? "Hide the timeline" : "Show the timeline";
      }
    });

    // -- keys and theme ------------------------------------------------------------------------------
    const dark = () => (root.dataset.theme ?? (matchMedia("(prefers-color-scheme: dark)").matches ? "night" : "day")) === "night";
    function turn() {
      root.dataset.theme = dark() ? "day" : "night";
      store.set("orloop-theme", root.dataset.theme);
      $("#theme").textContent = dark() ? "Day" : "Night";
    }
    function setKeys(on) {
      store.set("orloop-keys", on ? "on" : "off");
      if (!$("#keys")) return;
      $("#keys").textContent = on ? "Keys on" : "Keys off";
      $("#keys").setAttribute("aria-pressed", on);
    }
    const KEYS = { a: "approve", c: "change", r: "reject", d: "room", n: "replan", f: "freeze", w: "ask" };
    document.addEventListener("keydown", (event) => {
      if (walk(event)) return event.preventDefault();
      if (event.target.matches("[data-choose]") && /^Arrow/.test(event.key)) {
        event.preventDefault();
        return choose(Number(body.dataset.alt) + (/Right|Down/.test(event.key) ? 1 : -1), true);
      }
      if (event.key === "Escape") point(null);
      if (event.ctrlKey || event.metaKey || event.altKey || event.repeat || $("dialog[open]") || event.target.matches("input, select, textarea")) return;
      if (store.get("orloop-keys") === "off") return;
      const pressed = event.key.toLowerCase();
      if (/^[123]$/.test(pressed)) choose(pressed);
      else if (pressed === "t") turn();
      else if (KEYS[pressed] && !body.hasAttribute("data-cut") && $(`[data-act="${KEYS[pressed]}"]`)?.getClientRects().length) { event.preventDefault(); act(KEYS[pressed]); }
    });

    $("#theme").textContent = dark() ? "Day" : "Night";
    setKeys(store.get("orloop-keys") !== "off");
    choose(1);
    makeReachable();
    connect();
  });
})();
