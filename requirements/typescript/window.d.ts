/** What other people's scripts put on the page. */
interface Window {
  Plotly?: any;
  SwaggerUIBundle?: any;
}
