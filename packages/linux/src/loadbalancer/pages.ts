/** What an Application Load Balancer says in its own name: the small HTML pages of its errors and redirects. */

const reasons: Readonly<Record<number, string>> = {
  301: 'Moved Permanently',
  302: 'Found',
  400: 'Bad Request',
  403: 'Forbidden',
  405: 'Method Not Allowed',
  408: 'Request Time-out',
  413: 'Request Entity Too Large',
  500: 'Internal Server Error',
  501: 'Not Implemented',
  502: 'Bad Gateway',
  503: 'Service Temporarily Unavailable',
  504: 'Gateway Time-out',
};

/** `503 Service Temporarily Unavailable` */
export const statusLine = (status: number): string => `${status} ${reasons[status] ?? 'Unknown'}`;

/** The page for a status line. */
export const page = (line: string): string =>
  [
    `<html>`,
    `<head><title>${line}</title></head>`,
    `<body>`,
    `<center><h1>${line}</h1></center>`,
    `</body>`,
    `</html>`,
    ``,
  ].join('\r\n');
