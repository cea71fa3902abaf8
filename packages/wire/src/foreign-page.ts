import type { IncomingMessage } from 'node:http';

/**
 * Whether a browser sent this for a page that is not of this machine. Browsers let any page send plain forms
 * to loopback, and dummy keys would make such a form a call of the account's root. A page whose own name was
 * pointed at loopback is foreign too: what counts is the page's name, not where the request came from.
 * https://developer.mozilla.org/en-US/docs/Web/HTTP/Headers/Sec-Fetch-Site
 */
export function fromForeignPage(request: IncomingMessage): boolean {
  const { origin, referer } = request.headers;
  const site = request.headers['sec-fetch-site'];
  if (origin !== undefined) return !isLocal(origin);
  if (site === undefined || site === 'none') return false;
  return referer === undefined || !isLocal(referer);
}

function isLocal(page: string): boolean {
  if (!URL.canParse(page)) return false;
  const { hostname } = new URL(page);
  return (
    hostname === 'localhost' ||
    hostname.endsWith('.localhost') ||
    hostname === '[::1]' ||
    /^127(\.\d+){3}$/.test(hostname)
  );
}
